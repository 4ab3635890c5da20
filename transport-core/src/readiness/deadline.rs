//! A handle's deadline for one direction: checked only when an operation would wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::error::timed_out;
use crate::reactor::{Progress, Reactor};

/// When waiting ends, and the timer for it once something waits.
#[derive(Debug)]
pub struct Deadline<R: Reactor> {
    at: Option<Instant>,
    sleep: Option<R::Sleep>,
}

impl<R: Reactor> Default for Deadline<R> {
    fn default() -> Deadline<R> {
        Deadline { at: None, sleep: None }
    }
}

impl<R: Reactor> Deadline<R> {
    /// Sets it; `None` is never.
    pub fn set(&mut self, at: Option<Instant>) {
        self.at = at;
        self.sleep = None;
    }

    /// To be polled when the operation itself waits: pending until the deadline, and then, for
    /// good, an error of kind `TimedOut` in the operation's own type.
    pub fn poll<T>(&mut self, cx: &mut Context<'_>, reactor: &R) -> Poll<io::Result<T>> {
        let Some(at) = self.at else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| reactor.sleep(at));
        ready!(Pin::new(sleep).poll(cx));
        // A timer answers once; the next wait makes its own, which is due at once.
        self.sleep = None;
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
