//! When a short read means that the queue is empty: this saves the call that answers EAGAIN, and
//! must never be believed wrongly, because the next event may not come.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::descriptors;
use crate::options::Descriptors;
use crate::reactor::Progress;

/// Whether a short read means that the queue is empty, which it does unless it may have ended at a
/// message with descriptors.
pub(super) struct ShortReads {
    drain: AtomicBool,
    /// Descriptors are refused from now on, but older messages may have some: once the queue was
    /// seen empty, a short read drains.
    drain_once_empty: bool,
}

impl ShortReads {
    /// Of a socket that refused descriptors from its beginning, or not.
    pub(super) fn new(descriptors: Descriptors, history: History) -> ShortReads {
        let refused = descriptors == Descriptors::Refuse && descriptors::kernel_refuses();
        let drain = AtomicBool::new(refused && history == History::Known);
        ShortReads { drain, drain_once_empty: refused }
    }

    /// What an attempt that got `received` of `room` bytes means.
    pub(super) fn progress<T>(&self, received: usize, room: usize, value: T) -> Progress<T> {
        let is_short = 0 < received && received < room;
        match is_short && self.drain.load(Ordering::Relaxed) {
            true => Progress::Drained(value),
            false => Progress::Done(value),
        }
    }

    /// Learns from an attempt that failed.
    pub(super) fn failed(&self, error: io::Error) -> io::Error {
        if self.drain_once_empty && error.kind() == io::ErrorKind::WouldBlock {
            self.drain.store(true, Ordering::Relaxed);
        }
        error
    }
}

/// Whether this library made the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// It did, so nothing can be in the queue that was refused.
    Known,
    /// It was adopted, or its listener was.
    Unknown,
}
