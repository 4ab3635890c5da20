//! The ring as a reactor: the borrowed path.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use io_uring::{opcode, types};
use transport_core::reactor::{CachedReadiness, Event, Token};
use transport_core::timers::Sleep;
use transport_core::{Closer, Interest, Progress, Reactor, SharedFd, Source};

use crate::doubt::Doubt;
use crate::operation::Operation;
use crate::owned::NO_SLOT;
use crate::ring::{Ring, State};

/// Watches descriptors for a [`UringDriver`](crate::UringDriver).
#[derive(Clone, Debug)]
pub struct RingReactor {
    pub(crate) ring: Arc<Ring>,
}

impl RingReactor {
    fn watch(&self, fd: SharedFd, wakes_one: bool) -> io::Result<RingSource> {
        // The kernel is asked when somebody waits, not before.
        let (token, readiness) = self.ring.registry.insert(())?;
        let slot = AtomicU64::new(NO_SLOT);
        let (was_replaced, doubted) = (AtomicBool::new(false), AtomicU32::new(0));
        let ring = Arc::clone(&self.ring);
        Ok(RingSource { fd, readiness, token, wakes_one, was_replaced, doubted, slot, ring })
    }
}

impl Reactor for RingReactor {
    type Source = RingSource;
    type Sleep = Sleep;

    fn register(&self, fd: SharedFd) -> io::Result<RingSource> {
        self.watch(fd, false)
    }

    fn register_listener(&self, fd: SharedFd, wakes_one: bool) -> io::Result<RingSource> {
        self.watch(fd, wakes_one)
    }

    fn sleep(&self, until: Instant) -> Sleep {
        self.ring.timers.sleep(until)
    }

    fn is_ended(&self) -> bool {
        self.ring.registry.is_ended()
    }

    fn close_at_end(&self, closer: Closer) {
        self.ring.registry.close_at_end(closer);
    }
}

/// A descriptor on the ring: its readiness for the borrowed path, and its slot on the owned path
/// once that was used.
pub struct RingSource {
    pub(crate) fd: SharedFd,
    readiness: Arc<CachedReadiness>,
    token: Token,
    wakes_one: bool,
    /// Its poll was cancelled for another. From then on an end that is told may be the former's, and so
    /// there may be one that was not asked for. Written under the ring's lock.
    was_replaced: AtomicBool,
    /// See [`Doubts::note`](crate::doubt::Doubts::note).
    doubted: AtomicU32,
    /// The bits of the slot's token, or [`NO_SLOT`]; written under the ring's lock.
    pub(crate) slot: AtomicU64,
    pub(crate) ring: Arc<Ring>,
}

impl RingSource {
    /// Asks the kernel to tell of `interest`, too, each time.
    #[cold]
    fn ask(&self, interest: Interest) {
        let mut state = self.ring.lock();
        let before = self.readiness.ask(interest);
        self.replace_poll(&mut state, before, before | interest.into());
        drop(state);
        self.ring.nudge();
    }

    /// Asks the kernel no longer to tell of `interest`, for which nobody waits.
    #[cold]
    pub(crate) fn stop_asking(&self, interest: Interest) {
        let mut state = self.ring.lock();
        let before = self.readiness.take_back(interest.into());
        self.replace_poll(&mut state, before, before - interest.into());
        drop(state);
        self.ring.nudge();
    }

    /// Queues a poll for `now` in the place of that for `before`. There is one for both directions, for
    /// what comes together should be told together.
    fn replace_poll(&self, state: &mut State, before: Event, now: Event) {
        if before == now {
            return;
        }
        if !before.is_empty() {
            self.was_replaced.store(true, Ordering::Relaxed);
        }
        if self.was_replaced.load(Ordering::Relaxed) {
            self.ring.push_cancel(state, Operation::Poll(self.token));
        }
        if now.is_empty() {
            return;
        }
        let fd = types::Fd(self.fd.as_raw_fd());
        let poll = if self.wakes_one {
            // Only a poll that ends with its first event may be exclusive.
            opcode::PollAdd::new(fd, now.bits() | libc::EPOLLEXCLUSIVE as u32)
        } else {
            let closed =
                if now.contains(Event::READ) { Event::READ_CLOSED } else { Event::empty() };
            opcode::PollAdd::new(fd, (now | closed).bits()).multi(true)
        };
        self.ring.push(state, Operation::Poll(self.token), poll.build());
    }

    /// Queues the cancellation of the poll in flight; answers whether there may be one.
    fn cancel_poll(&self) -> bool {
        let asked = self.readiness.take_back(Event::all());
        let is_polled = !asked.is_empty() || self.was_replaced.load(Ordering::Relaxed);
        if is_polled {
            self.ring.push_cancel(&mut self.ring.lock(), Operation::Poll(self.token));
        }
        is_polled
    }
}

impl Source for RingSource {
    /// A poll keeps the socket open, and its peers waiting, until it is cancelled.
    fn end_watch(&self) {
        if self.cancel_poll() {
            // What could not be submitted is the next turn's.
            _ = self.ring.submit_now();
        }
    }

    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        // From the first wait on.
        let arm = || {
            if !self.readiness.is_asked(interest) {
                self.ask(interest);
            }
        };
        let mut is_in_doubt = false;
        let attempt = || {
            let progress = attempt(self.fd.as_fd());
            is_in_doubt =
                interest == Interest::Read && matches!(progress, Ok(Progress::Drained(_)));
            progress
        };
        let answer = self.readiness.poll_io(cx, interest, attempt, arm);
        if is_in_doubt && self.ring.doubts.note(Doubt::Drained(self.token), &self.fd, &self.doubted)
        {
            self.ring.push_settle(&mut self.ring.lock());
            self.ring.nudge();
        }
        answer
    }
}

impl AsFd for RingSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for RingSource {
    fn drop(&mut self) {
        self.ring.registry.remove(self.token);
        let cancels_receive = self.abandon();
        let cancels = self.cancel_poll() || cancels_receive;
        // A queued entry names the descriptor by its number, which must not be another's by then.
        if cancels && self.ring.submit_now() {
            self.release_descriptor();
        }
    }
}

impl fmt::Debug for RingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingSource").field("fd", &self.fd).finish_non_exhaustive()
    }
}
