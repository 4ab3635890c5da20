//! A handle's deadline for one direction: checked only when an operation would wait.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::error::timed_out;
use crate::reactor::{Progress, Reactor};

/// When waiting ends. Small until it is first set: most never are.
pub struct Deadline<R: Reactor>(Option<Box<End<R>>>);

/// A deadline that was set once.
enum End<R: Reactor> {
    /// It was taken back.
    Never,
    /// Then, and nothing has waited yet.
    At(Instant),
    /// When this is ready.
    Waits(R::Sleep),
    /// Waiting is over, until another is set.
    Over,
}

impl<R: Reactor> End<R> {
    /// Ready when waiting is over.
    fn poll(&mut self, cx: &mut Context<'_>, reactor: &R) -> Poll<()> {
        if let End::At(at) = *self {
            *self = End::Waits(reactor.sleep(at));
        }
        match self {
            End::Waits(sleep) => ready!(Pin::new(sleep).poll(cx)),
            End::Never | End::At(_) => return Poll::Pending,
            End::Over => {}
        }
        *self = End::Over;
        Poll::Ready(())
    }
}

impl<R: Reactor> Default for Deadline<R> {
    fn default() -> Deadline<R> {
        Deadline(None)
    }
}

impl<R: Reactor> Deadline<R> {
    /// Sets it; `None` is never.
    pub fn set(&mut self, at: Option<Instant>) {
        match (&mut self.0, at) {
            (None, None) => {}
            (None, Some(at)) => self.0 = Some(Box::new(End::At(at))),
            (Some(end), at) => **end = at.map_or(End::Never, End::At),
        }
    }

    /// To be polled when the operation itself waits: pending until the deadline, and then,
    /// until another is set, an error of kind `TimedOut` in the operation's own type.
    #[inline]
    pub fn poll<T>(&mut self, cx: &mut Context<'_>, reactor: &R) -> Poll<io::Result<T>> {
        match &mut self.0 {
            None => Poll::Pending,
            Some(end) => end.poll(cx, reactor).map(|()| Err(timed_out())),
        }
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

impl<R: Reactor> fmt::Debug for Deadline<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("is_set", &self.0.is_some()).finish_non_exhaustive()
    }
}
