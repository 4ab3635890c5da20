//! Medians and quartiles, and ratios that are taken per rotation before anything is averaged.

use serde::{Deserialize, Serialize};

/// Where the middle half of some figures lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quartiles {
    /// A quarter of the figures lies below.
    pub low: f64,
    /// Half of them lies below.
    pub median: f64,
    /// A quarter of them lies above.
    pub high: f64,
}

impl Quartiles {
    /// The quartiles of `figures`, between neighbours by linear interpolation; `None` of none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Quartiles> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Some(Quartiles {
            low: quantile(&sorted, 0.25)?,
            median: quantile(&sorted, 0.5)?,
            high: quantile(&sorted, 0.75)?,
        })
    }

    /// The quartiles of the ratios of figures that were measured side by side.
    #[must_use]
    pub fn of_ratios(figures: &[f64], baseline: &[f64]) -> Option<Quartiles> {
        Quartiles::of(figures.iter().zip(baseline).map(|(figure, base)| figure / base))
    }

    /// How far the quartiles are from each other.
    #[must_use]
    pub fn spread(&self) -> f64 {
        self.high - self.low
    }
}

fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    // Lossless: there are never 2^52 slices.
    let position = last as f64 * share;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    let weight = position - below as f64;
    Some(sorted[below] * (1.0 - weight) + sorted[above] * weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_their_neighbours() {
        let quartiles = Quartiles::of([4.0, 1.0, 3.0, 2.0, 5.0]).expect("there are figures");
        assert_eq!(quartiles, Quartiles { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(Quartiles::of([1.0, 2.0]).map(|q| q.median), Some(1.5));
        assert_eq!(Quartiles::of([]), None);
    }

    #[test]
    fn ratios_are_paired_before_the_median() {
        // The second slice ran on a machine twice as fast: the ratio must not see it.
        let ratios = Quartiles::of_ratios(&[2.0, 4.0], &[1.0, 2.0]);
        assert_eq!(ratios, Some(Quartiles { low: 2.0, median: 2.0, high: 2.0 }));
    }
}
