//! Closing a handle from elsewhere: another thread, another task, a signal handler's thread.

use std::fmt;
use std::sync::{Arc, Weak};

/// Closes a listener or a connection from any thread. Cheap to clone; keeps nothing open. Once
/// the handle is gone, all of this does nothing.
#[derive(Clone)]
pub struct Closer {
    target: Weak<dyn CloseTarget>,
}

/// What a [`Closer`] acts on. For implementers of transports; all of it is idempotent.
pub trait CloseTarget: Send + Sync + 'static {
    /// Closes, and wakes whoever waits.
    fn close(&self);
    /// Takes nothing more in; what is already queued is still delivered.
    fn drain(&self);
    /// Whether it is closed, or drained to the end.
    fn is_closed(&self) -> bool;
}

impl Closer {
    /// A closer of `target`.
    #[must_use]
    pub fn new(target: &Arc<impl CloseTarget>) -> Closer {
        let target: Weak<dyn CloseTarget> = Arc::downgrade(target) as Weak<dyn CloseTarget>;
        Closer { target }
    }

    /// Closes at once. Everyone who waits on the handle, and everyone who uses it later, gets the
    /// [closed](crate::is_closed) error. A listener resets the clients that wait in its queue, and
    /// its file goes if that was asked for; a connection's peer sees the end of the stream.
    /// Idempotent (rule L3).
    pub fn close(&self) {
        if let Some(target) = self.target.upgrade() {
            target.close();
        }
    }

    /// Stops taking in and delivers what is queued (rule L4). A listener refuses new clients,
    /// hands out those that wait, and is then closed. A connection no longer lets its peer write,
    /// and reads what is queued, then the end of the stream. Idempotent.
    pub fn drain(&self) {
        if let Some(target) = self.target.upgrade() {
            target.drain();
        }
    }

    /// Whether the handle is closed, or gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.target.upgrade().is_none_or(|target| target.is_closed())
    }
}

impl fmt::Debug for Closer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closer").field("closed", &self.is_closed()).finish()
    }
}
