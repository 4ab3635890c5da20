//! Looking for events before sleeping: for those to whom latency is worth a processor.
//!
//! Falling asleep and being woken costs tens of microseconds on a halted (virtual) processor, more
//! than most local servers need to answer.

use std::io;
use std::time::{Duration, Instant};

use crate::backend::Driver;
use crate::unparker::Unparker;

/// How long to look before each sleep. Adapts: it falls while looking finds nothing, until it is
/// not done at all, and is at its limit again once a wait was short enough to have been worth it.
#[derive(Debug)]
pub(super) struct Spin {
    limit: Duration,
    now: Duration,
}

impl Spin {
    /// At most this long; zero is never.
    pub(super) fn new(limit: Duration) -> Spin {
        Spin { limit, now: limit }
    }

    /// A turn of the driver that waits without end, unless it is unparked.
    pub(super) fn wait(&mut self, driver: &mut impl Driver, unparker: &Unparker) -> io::Result<()> {
        if self.limit.is_zero() || unparker.is_notified() {
            return driver.turn(None).map(drop);
        }
        let begun = Instant::now();
        while begun.elapsed() < self.now {
            if driver.turn(Some(Duration::ZERO))? > 0 || unparker.is_notified() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        driver.turn(None)?;
        self.adapt(begun.elapsed());
        Ok(())
    }

    /// After a sleep that ended so long after the wait began.
    fn adapt(&mut self, waited: Duration) {
        let least = self.limit / 16;
        self.now = match waited <= self.limit {
            true => self.limit,
            false if self.now <= least => Duration::ZERO,
            false => self.now / 2,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vain_spinning_ends_and_short_waits_begin_it_again() {
        let limit = Duration::from_micros(64);
        let mut spin = Spin::new(limit);
        let mut vain = 0;
        while !spin.now.is_zero() {
            vain += 1;
            assert!(vain < 10, "it must give up");
            spin.adapt(limit * 2);
        }
        spin.adapt(limit);
        assert_eq!(spin.now, limit);
    }
}
