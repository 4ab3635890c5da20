//! Growing pauses, for what can't be waited for: a full backlog, and want of descriptors.

use std::time::Duration;

/// Pauses that double from a first to a longest one.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// For connecting to a full backlog: 50 µs to 5 ms, so that a slot is taken soon after it is
    /// free, and a waiting client costs little.
    #[must_use]
    pub fn connect() -> Backoff {
        Backoff { next: Duration::from_micros(50), longest: Duration::from_millis(5) }
    }

    /// For accepting without descriptors or memory: 5 to 200 ms.
    #[must_use]
    pub fn accept() -> Backoff {
        Backoff { next: Duration::from_millis(5), longest: Duration::from_millis(200) }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}
