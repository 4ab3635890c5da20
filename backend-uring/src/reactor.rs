//! The ring as a reactor: the borrowed path.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::task::{Context, Poll};
use std::time::Instant;

use io_uring::{opcode, types};
use transport_core::reactor::{CachedReadiness, Token};
use transport_core::timers::Sleep;
use transport_core::{Closer, Interest, Progress, Reactor, SharedFd, Source};

use crate::doubt::Doubt;
use crate::operation::Operation;
use crate::owned::NO_SLOT;
use crate::ring::Ring;

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
        let (doubted, ring) = (AtomicU32::new(0), Arc::clone(&self.ring));
        Ok(RingSource { fd, readiness, token, wakes_one, doubted, slot, ring })
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
    /// See [`Doubts::note`](crate::doubt::Doubts::note).
    doubted: AtomicU32,
    /// The bits of the slot's token, or [`NO_SLOT`]; written under the ring's lock.
    pub(crate) slot: AtomicU64,
    pub(crate) ring: Arc<Ring>,
}

impl RingSource {
    /// Asks the kernel to tell each time.
    #[cold]
    fn push_poll(&self, interest: Interest) {
        let fd = types::Fd(self.fd.as_raw_fd());
        let (operation, entry) = match interest {
            Interest::Read if self.wakes_one => {
                // Only a poll that ends with its first event may be exclusive.
                let events = libc::POLLIN as u32 | libc::EPOLLEXCLUSIVE as u32;
                (Operation::PollRead(self.token), opcode::PollAdd::new(fd, events).build())
            }
            Interest::Read => {
                let events = libc::POLLIN | libc::POLLRDHUP;
                let poll = opcode::PollAdd::new(fd, events as u32).multi(true);
                (Operation::PollRead(self.token), poll.build())
            }
            Interest::Write => {
                let poll = opcode::PollAdd::new(fd, libc::POLLOUT as u32).multi(true);
                (Operation::PollWrite(self.token), poll.build())
            }
        };
        self.ring.push(&mut self.ring.lock(), operation, entry);
        self.ring.nudge();
    }
}

impl RingSource {
    /// Queues the cancellation of the polls in flight; answers whether there are any.
    fn cancel_polls(&self) -> bool {
        let (read, write) = (self.cancel_poll(Interest::Read), self.cancel_poll(Interest::Write));
        read || write
    }

    /// Queues the cancellation of one direction's poll, if there is one.
    pub(crate) fn cancel_poll(&self, interest: Interest) -> bool {
        let is_asked = self.readiness.is_asked(interest);
        if is_asked {
            let poll = match interest {
                Interest::Read => Operation::PollRead(self.token),
                Interest::Write => Operation::PollWrite(self.token),
            };
            self.ring.push_cancel(&mut self.ring.lock(), poll);
        }
        is_asked
    }
}

impl Source for RingSource {
    /// A poll keeps the socket open, and its peers waiting, until it is cancelled.
    fn end_watch(&self) {
        if self.cancel_polls() {
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
            if self.readiness.ask(interest) {
                self.push_poll(interest);
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
        let cancels = self.cancel_polls() || cancels_receive;
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
