//! Histograms of latencies: one range for all, and a form that fits into a line of text.

use std::io;

use hdrhistogram::Histogram;

/// The longest latency that is told from longer ones, in nanoseconds: ten seconds.
const LONGEST: u64 = 10_000_000_000;

/// An empty histogram: latencies from a nanosecond to ten seconds, to three digits.
pub(super) fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST, 3).map_err(io::Error::other)
}

/// Its values and how often each was recorded, those that were.
pub(super) fn counts(latencies: &Histogram<u64>) -> Vec<(u64, u64)> {
    latencies
        .iter_recorded()
        .map(|value| (value.value_iterated_to(), value.count_at_value()))
        .collect()
}

/// The histogram of such values.
pub(super) fn from_counts(counts: &[(u64, u64)]) -> io::Result<Histogram<u64>> {
    let mut latencies = histogram()?;
    for &(value, count) in counts {
        latencies.saturating_record_n(value, count);
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_the_whole_histogram() {
        let mut latencies = histogram().expect("legal bounds");
        for exponent in 0..40 {
            latencies.saturating_record_n(1 << exponent, exponent + 1);
        }
        let again = from_counts(&counts(&latencies)).expect("legal bounds");
        assert_eq!(again, latencies);
    }
}
