//! When a short read means that the queue is empty: this saves the call that answers EAGAIN, and
//! must never be believed wrongly, because the next event may not come.

use crate::descriptors;
use crate::options::Descriptors;
use crate::reactor::Progress;

/// Whether a short read means that the queue is empty, which it does unless the kernel may have
/// stopped at a message with descriptors, or of another writer (`SO_PASSCRED`).
#[derive(Clone, Copy)]
pub(super) struct ShortReads {
    drain: bool,
}

impl ShortReads {
    /// Of a socket that refused descriptors from its beginning, or not. An adopted one may have
    /// options and older messages that this library knows nothing of.
    pub(super) fn new(descriptors: Descriptors, history: History) -> ShortReads {
        let refused = descriptors == Descriptors::Refuse && descriptors::kernel_refuses();
        ShortReads { drain: refused && history == History::Known }
    }

    /// What an attempt that got `received` of `room` bytes means.
    pub(super) fn progress<T>(self, received: usize, room: usize, value: T) -> Progress<T> {
        match self.drain && 0 < received && received < room {
            true => Progress::Drained(value),
            false => Progress::Done(value),
        }
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
