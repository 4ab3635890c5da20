//! The ring as everyone shares it: anyone may queue under the lock, only the driver enters.
#![expect(unsafe_code, reason = "shared access to the submission queue, and its entries")]

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, opcode, types};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use transport_core::reactor::Registry;
use transport_core::unparker::Parker;
use transport_core::{Cause, Settings, Timers};

use crate::buffers::Buffers;
use crate::doubt::{Doubts, SETTLED_AFTER};
use crate::operation::Operation;
use crate::owned::Slots;
use crate::price;
use crate::quiet::Quiet;
use crate::send::Spare;
use crate::setup;

/// A ring, and what hangs on it. It ends with its driver; what outlives that gets errors.
pub(crate) struct Ring {
    pub(crate) io: IoUring,
    /// Which set-up flags the kernel took.
    pub(crate) flags: &'static str,
    pub(crate) buffers: Arc<Buffers>,
    /// The borrowed path's sources.
    pub(crate) registry: Registry<()>,
    /// What was believed, and may turn out otherwise.
    pub(crate) doubts: Doubts,
    pub(crate) parker: Arc<Parker>,
    pub(crate) timers: Timers,
    pub(crate) settings: Settings,
    /// Whether all owned sends go by readiness, of small pieces, too.
    pub(crate) sends_directly: bool,
    /// The thread of the driver's first turn, the only one that may enter.
    pub(crate) thread: OnceLock<ThreadId>,
    state: Mutex<State>,
    /// Whether the driver has anything to do under the lock: entries to submit, sends to conclude. Set
    /// under the lock, and taken back under it by the driver, which looks between falling asleep and
    /// waiting.
    is_due: AtomicBool,
}

/// What the lock guards: the submission queue's end, and the owned path.
#[derive(Default)]
pub(crate) struct State {
    /// How many entries were ever queued.
    pub(crate) queued: u64,
    /// What found no room in the submission queue; it goes first.
    overflow: VecDeque<Entry>,
    /// The owned path's connections.
    pub(crate) slots: Slots,
    /// How many ends of their streams the kernel did not tell of.
    pub(crate) ends_missed: u64,
    /// Their sends of which the kernel reports only failures.
    pub(crate) quiet: Quiet,
    /// What was theirs, to be used again.
    pub(crate) spare: Spare,
}

impl Ring {
    pub(crate) fn new(settings: &Settings) -> Result<Ring, Cause> {
        let (io, flags) = setup::ring(settings.events.clamp(8, 4096))?;
        let buffers = Buffers::new(&io, settings.buffers, settings.buffer_size)
            .map_err(|e| setup::unavailable(&e))?;
        let parker = Parker::new()?;
        let timers = Timers::new(parker.unparker());
        Ok(Ring {
            io,
            flags,
            buffers,
            registry: Registry::default(),
            doubts: Doubts::default(),
            parker,
            timers,
            settings: settings.clone(),
            sends_directly: settings.direct_sends.unwrap_or_else(price::system_calls_are_cheap),
            thread: OnceLock::new(),
            state: Mutex::default(),
            is_due: AtomicBool::new(false),
        })
    }

    pub(crate) fn bind_to_this_thread(&self) {
        self.thread.get_or_init(|| thread::current().id());
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Wakers and foreign drops run outside the lock, so nothing panics inside.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an entry. The driver submits it with its next turn; one that sleeps on another
    /// thread must be nudged after the lock is released.
    pub(crate) fn push(&self, state: &mut State, operation: Operation, entry: Entry) {
        if state.slots.is_ended() {
            // Nobody will submit it: what it would cancel ends with the ring.
            return;
        }
        let entry = entry.user_data(operation.user_data());
        if !state.overflow.is_empty() || !self.try_push(&entry) {
            state.overflow.push_back(entry);
        }
        state.queued += 1;
        self.set_due();
    }

    /// The caller holds the lock, and [nudges](Self::nudge) a driver on another thread afterwards.
    fn set_due(&self) {
        if !self.is_due.load(Ordering::Relaxed) {
            // In one order with the driver's falling asleep, before its look.
            self.is_due.store(true, Ordering::SeqCst);
        }
    }

    /// Whether the driver has anything to do under the lock.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::SeqCst)
    }

    /// Queues the cancellation of an operation, which then reports for itself.
    pub(crate) fn push_cancel(&self, state: &mut State, cancelled: Operation) {
        let entry = opcode::AsyncCancel::new(cancelled.user_data()).build();
        self.push(state, Operation::Cancel, entry.flags(Flags::SKIP_SUCCESS));
    }

    /// Lets no operation start any more, and queues the cancellation of all that are in flight,
    /// polls too, which would keep their sockets open.
    pub(crate) fn cancel_everything(&self) {
        let mut state = self.lock();
        state.slots.begin_end();
        let entry = opcode::AsyncCancel2::new(types::CancelBuilder::any()).build();
        self.push(&mut state, Operation::Cancel, entry);
    }

    /// Queues the poll of the eventfd that ends the driver's sleep.
    pub(crate) fn push_unpark(&self) {
        let event = types::Fd(self.parker.as_fd().as_raw_fd());
        let entry = opcode::PollAdd::new(event, libc::POLLIN as u32).multi(true).build();
        self.push(&mut self.lock(), Operation::Unpark, entry);
    }

    /// Queues the timeout after which what is in doubt now is settled.
    pub(crate) fn push_settle(&self, state: &mut State) {
        let entry = opcode::Timeout::new(&raw const SETTLED_AFTER).build();
        self.push(state, Operation::Settle, entry);
    }

    /// Moves what found no room into the queue. Answers how many entries are there, and whether
    /// their completions will not be all that is waited for: some entries still found no room, or
    /// somebody waits for a send that reports nothing.
    pub(crate) fn flush(&self) -> (u32, bool) {
        if !self.is_due() {
            return (0, false);
        }
        let mut state = self.lock();
        while let Some(entry) = state.overflow.front() {
            if !self.try_push(entry) {
                break;
            }
            state.overflow.pop_front();
        }
        // SAFETY: the lock is held, so nobody else touches the submission queue's end.
        let queued = unsafe { self.io.submission_shared() }.len();
        let is_due = queued > 0 || !state.overflow.is_empty() || !state.quiet.is_empty();
        self.is_due.store(is_due, Ordering::Relaxed);
        (queued as u32, !state.overflow.is_empty() || state.quiet.is_awaited())
    }

    /// How many of the entries that were ever queued the kernel has taken, and told all that there
    /// is to tell of them. (None, as far as is known, while completions that overflowed are to come.)
    pub(crate) fn submitted(&self, state: &State) -> u64 {
        // SAFETY: the lock is held, so nobody else touches the submission queue's end.
        let submissions = unsafe { self.io.submission_shared() };
        match submissions.cq_overflow() {
            true => 0,
            false => state.queued - (submissions.len() + state.overflow.len()) as u64,
        }
    }

    /// Whether an `enter` would bring more: entries that wait to be submitted, sends to be concluded, or
    /// completions that overflowed.
    pub(crate) fn has_more(&self) -> bool {
        let state = self.lock();
        // SAFETY: the lock is held, so nobody else touches the submission queue's end.
        let submissions = unsafe { self.io.submission_shared() };
        let is_idle = state.overflow.is_empty() && state.quiet.is_empty();
        !is_idle || !submissions.is_empty() || submissions.cq_overflow()
    }

    /// Whether there is deferred work, of which one `enter` runs only a part, or a completion.
    pub(crate) fn has_deferred(&self) -> bool {
        // SAFETY: the ring is open as long as this value.
        let ring = unsafe { BorrowedFd::borrow_raw(self.io.as_raw_fd()) };
        let answer = poll(&mut [PollFd::new(ring, PollFlags::POLLIN)], PollTimeout::ZERO);
        // It is interrupted only where nothing was there.
        answer.is_ok_and(|count| count > 0)
    }

    /// Whether everything that was queued is submitted.
    pub(crate) fn is_submitted(&self) -> bool {
        let state = self.lock();
        // SAFETY: the lock is held, so nobody else touches the submission queue's end.
        state.overflow.is_empty() && unsafe { self.io.submission_shared() }.is_empty()
    }

    /// The caller holds the lock.
    fn try_push(&self, entry: &Entry) -> bool {
        // SAFETY: all callers hold the lock, so nobody else touches the submission queue's end.
        let mut queue = unsafe { self.io.submission_shared() };
        // SAFETY: what the entries point to lives until their completions: sends belong to their
        // slots, receives go into the ring's buffers, polls point to nothing, and a timeout to a static.
        unsafe { queue.push(entry) }.is_ok()
    }

    /// What the driver does for changes made on other threads: wakes it if it sleeps.
    pub(crate) fn nudge(&self) {
        self.parker.nudge_after_lock();
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("flags", &self.flags)
            .field("buffers", &self.buffers)
            .field("sends_directly", &self.sends_directly)
            .finish_non_exhaustive()
    }
}
