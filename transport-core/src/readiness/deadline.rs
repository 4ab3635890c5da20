//! A handle's deadline for one direction: checked only when an operation would wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::error::timed_out;
use crate::reactor::{Progress, Reactor};

/// When waiting ends, and the timer for it once something waits.
#[derive(Debug, Default)]
pub enum Deadline<R: Reactor> {
    /// Never.
    #[default]
    Never,
    /// Then, and nothing has waited yet.
    At(Instant),
    /// When this is ready.
    Waits(R::Sleep),
    /// Waiting is over, for good.
    Over,
}

impl<R: Reactor> Deadline<R> {
    /// Sets it; `None` is never.
    pub fn set(&mut self, at: Option<Instant>) {
        *self = at.map_or(Deadline::Never, Deadline::At);
    }

    /// To be polled when the operation itself waits: pending until the deadline, and then, for
    /// good, an error of kind `TimedOut` in the operation's own type.
    pub fn poll<T>(&mut self, cx: &mut Context<'_>, reactor: &R) -> Poll<io::Result<T>> {
        if let Deadline::At(at) = *self {
            *self = Deadline::Waits(reactor.sleep(at));
        }
        match self {
            Deadline::Waits(sleep) => ready!(Pin::new(sleep).poll(cx)),
            Deadline::Never | Deadline::At(_) => return Poll::Pending,
            Deadline::Over => {}
        }
        *self = Deadline::Over;
        Poll::Ready(Err(timed_out()))
    }

    /// As [`poll`](Self::poll), with one last attempt when the deadline has passed: the reactor
    /// may not have seen yet what is there already (cases 105, 157).
    pub(super) fn poll_or_attempt<T>(
        &mut self,
        cx: &mut Context<'_>,
        reactor: &R,
        attempt: impl FnOnce() -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        let expired = ready!(self.poll(cx, reactor));
        Poll::Ready(match attempt() {
            Ok(Progress::Done(value) | Progress::Drained(value)) => Ok(value),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => expired,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => expired,
            Err(e) => Err(e),
        })
    }
}
