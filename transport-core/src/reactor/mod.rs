//! The seam for readiness: something that knows when a descriptor is ready.
//!
//! Whoever implements [`Reactor`] gets listeners and connections with all semantics from
//! [`Readiness`](crate::Readiness): epoll and the ring do, the blocking backend's `ppoll` does,
//! and so can a foreign runtime's reactor.

mod cached;
mod home;
mod registry;
mod shared_fd;
mod streak;
mod waiters;

pub use cached::{CachedReadiness, Event};
pub use home::Home;
pub use registry::{Registry, Token};
pub use shared_fd::{SharedFd, WeakFd};
pub use streak::Streak;

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::closer::Closer;

/// Which direction an operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Reading, accepting.
    Read,
    /// Writing.
    Write,
}

/// How an attempt went that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// It worked, and trying again may work at once.
    Done(T),
    /// It worked, and the next attempt would wait: a short read, which on a stream means that the
    /// queue is empty. Saves the call that answers EAGAIN.
    Drained(T),
}

/// Something that knows when descriptors are ready, and what time it is.
pub trait Reactor: Clone + Send + Sync + 'static {
    /// A registered descriptor.
    type Source: Source + Unpin;
    /// A timer.
    type Sleep: Future<Output = ()> + Send + Unpin + 'static;

    /// Watches `fd`, which is non-blocking, until the source is dropped.
    ///
    /// # Errors
    /// Those of the system; [`driver_gone`](crate::error::driver_gone).
    fn register(&self, fd: SharedFd) -> io::Result<Self::Source>;

    /// As [`register`](Self::register), for a listening socket: when it is closed, `fd` will stand
    /// for something else ([`Source::end_watch`]). If it `wakes_one`, and other reactors watch it
    /// too, a client that arrives need wake only one of them. As provided, it wakes all.
    ///
    /// # Errors
    /// Those of [`register`](Self::register).
    fn register_listener(&self, fd: SharedFd, wakes_one: bool) -> io::Result<Self::Source> {
        _ = wakes_one;
        self.register(fd)
    }

    /// A future that is ready at `until`, and never before.
    fn sleep(&self, until: Instant) -> Self::Sleep;

    /// Whether its driver is gone, so that nothing would wake any more. A reactor that can't know
    /// says no, as the default does.
    fn is_ended(&self) -> bool {
        false
    }

    /// Closes `closer`'s listener when this reactor ends (case 83). A reactor that can't know its
    /// end leaves the listener to its owner, as the default does.
    fn close_at_end(&self, closer: Closer) {
        _ = closer;
    }
}

/// A registered descriptor. Dropping it ends the watch; the descriptor closes with its last owner.
pub trait Source: AsFd + Send + Sync + 'static {
    /// Ends the watch before the source is dropped, from any thread: the descriptor is about to
    /// stand for something else (a listener that is closed), and the watch must not keep the
    /// socket open. Reactors whose watch keeps nothing open need not do anything, as the default.
    fn end_watch(&self) {}

    /// Makes `attempt` when the descriptor may be ready for `interest`, again when it answers
    /// EINTR, and waits when it answers [`WouldBlock`](io::ErrorKind::WouldBlock): then the
    /// newest waker of that direction is woken when the descriptor becomes ready. The attempt neither
    /// keeps the descriptor nor duplicates it: who wants that asks the source for it ([`AsFd`]), which
    /// then ends its watch before the descriptor.
    ///
    /// For implementers: after [`Progress::Drained`] the readiness is forgotten, unless the peer
    /// has hung up meanwhile: a short read and a shutdown can come in one event, and the end of
    /// the stream must still be seen (case 165). Nor after an out-of-band byte (case 107).
    ///
    /// # Errors
    /// The attempt's; [`driver_gone`](crate::error::driver_gone) at once after the reactor ended.
    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>>;
}
