//! Who waits for a descriptor.

use std::task::Waker;

use atomic_waker::AtomicWaker;

use crate::reactor::Interest;
use crate::reactor::home::{Home, HomeCells};

/// For each direction, the newest waker of those who wait at [home](Home), which is nearly
/// everybody, and of those elsewhere.
#[derive(Debug)]
pub(super) struct Waiters {
    at_home: HomeCells<Option<Waker>, 2>,
    elsewhere: [AtomicWaker; 2],
}

impl Waiters {
    pub(super) fn new(home: &Home) -> Waiters {
        Waiters { at_home: HomeCells::new(home), elsewhere: Default::default() }
    }

    /// Waits. Whoever calls this must look once more at what the waker would be woken for.
    #[inline]
    pub(super) fn wait(&self, interest: Interest, waker: &Waker) {
        let home = self.at_home.home();
        if home.is_here() && self.at_home.replace(interest as usize, Some(waker.clone())).is_ok() {
            return;
        }
        home.wait_elsewhere();
        self.elsewhere[interest as usize].register(waker);
    }

    /// The waker of whoever waits at home, for the driver there.
    pub(super) fn take_at_home(&self, interest: Interest) -> Option<Waker> {
        self.at_home.replace(interest as usize, None).unwrap_or(None)
    }

    /// The waker of whoever waits elsewhere.
    pub(super) fn take_elsewhere(&self, interest: Interest) -> Option<Waker> {
        self.elsewhere[interest as usize].take()
    }
}
