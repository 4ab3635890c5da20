//! The driver: one `io_uring_enter(2)` per turn submits everything that was not submitted before and
//! waits.
#![expect(unsafe_code, reason = "reads the completion queue")]

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use io_uring::cqueue;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use transport_core::reactor::{Event, Home, Token};
use transport_core::{Driver, Error, Prepared, Result, Settings, Timers, Unparker};

use crate::doubt::Settling;
use crate::operation::Operation;
use crate::owned::Reaped;
use crate::reactor::RingReactor;
use crate::ring::Ring;

/// How long the cancelled operations of a dropped driver may take to report.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Waits with io_uring. Its first turn binds it to its thread; a turn elsewhere is an error.
pub struct UringDriver {
    ring: Arc<Ring>,
    /// Whether the ring was enabled, by the first turn.
    is_bound: bool,
    /// Whether the kernel writes the parker's eventfd with each completion, because a host sleeps
    /// on it. Until then the ring itself polls the eventfd.
    is_hosted: Cell<bool>,
    /// What the completions of one turn came to; kept for its memory.
    events: Vec<(Token, Event)>,
    settling: Settling,
    /// Slots whose streams have ended, as far as the clock found; kept for its memory.
    ended: Vec<Token>,
    reaped: Reaped,
}

impl UringDriver {
    pub(crate) fn new(settings: &Settings) -> Result<UringDriver> {
        let ring = Ring::new(settings).map_err(|cause| Error::new("open io_uring", None, cause))?;
        ring.push_unpark();
        Ok(UringDriver {
            ring: Arc::new(ring),
            is_bound: false,
            is_hosted: Cell::new(false),
            events: Vec::new(),
            settling: Settling::default(),
            ended: Vec::new(),
            reaped: Reaped::default(),
        })
    }

    pub(crate) fn reactor(&self) -> RingReactor {
        RingReactor { ring: Arc::clone(&self.ring) }
    }

    pub(crate) fn flags(&self) -> &'static str {
        self.ring.flags
    }

    /// How many ends of streams were found by the clock.
    pub(crate) fn ends_missed(&self) -> u64 {
        self.ring.lock().ends_missed
    }

    /// Enables the ring on this thread, which then is the only one that may enter it.
    fn bind(&mut self) -> io::Result<()> {
        if !self.is_bound {
            self.ring.io.submitter().register_enable_rings()?;
            self.ring.bind_to_this_thread();
            self.is_bound = true;
        }
        Ok(())
    }

    /// Takes every completion that is there, and wakes whom they concern.
    fn reap(&mut self) -> usize {
        let mut owned = 0;
        let mut unpark_again = false;
        let mut is_time_to_settle = false;
        // Polls need neither.
        let (mut state, mut giving) = (None, None);
        // SAFETY: only the driver reads completions, and it is borrowed mutably.
        for completion in unsafe { self.ring.io.completion_shared() } {
            let (result, flags) = (completion.result(), completion.flags());
            match Operation::from_user_data(completion.user_data()) {
                // Whoever cancelled it knows.
                Operation::Poll(_) if result == -libc::ECANCELED => {}
                Operation::Poll(token) => self.events.push((token, polled(result, flags))),
                operation @ (Operation::Receive(_) | Operation::Send(_)) => {
                    owned += 1;
                    let state = state.get_or_insert_with(|| self.ring.lock());
                    let giving = giving.get_or_insert_with(|| self.ring.buffers.giving());
                    let reaped = &mut self.reaped;
                    self.ring.complete(state, giving, operation, result, flags, reaped);
                }
                Operation::Unpark => unpark_again |= !cqueue::more(flags),
                Operation::Cancel => {}
                Operation::Settle => is_time_to_settle = true,
            }
        }
        // Only now is it known which of the quiet sends failed.
        if self.ring.is_due() {
            let state = state.get_or_insert_with(|| self.ring.lock());
            let submitted = self.ring.submitted(state);
            let told = self.reaped.woken.len();
            while let Some(send) = state.quiet.pop(submitted) {
                let giving = giving.get_or_insert_with(|| self.ring.buffers.giving());
                self.ring.conclude_send(state, giving, send, &mut self.reaped);
            }
            owned += self.reaped.woken.len() - told;
        }
        drop(giving);
        drop(state);
        self.reaped.sent.clear();
        self.reaped.over.clear();
        if unpark_again && !self.is_hosted.get() {
            self.ring.push_unpark();
        }
        let mut noted = self.wake();
        if is_time_to_settle {
            let ended = &mut self.ended;
            if self.ring.doubts.settle(&mut self.settling, &mut self.events, ended) {
                self.ring.push_settle(&mut self.ring.lock());
            }
            self.ring.cancel_deaf(self.ended.drain(..));
            noted += self.wake();
        }
        owned + noted
    }

    /// Notes the events, and wakes whom they and the completions concern.
    fn wake(&mut self) -> usize {
        let noted = match self.events.is_empty() {
            true => 0,
            false => {
                let events = self.events.iter().copied();
                self.ring.registry.note(events, &mut self.reaped.woken)
            }
        };
        self.events.clear();
        self.reaped.woken.drain(..).for_each(Waker::wake);
        noted
    }

    /// Whether an `enter`, or reaping, would bring more.
    fn has_more(&self) -> bool {
        // SAFETY: only the driver reads completions.
        self.ring.has_more() || !unsafe { self.ring.io.completion_shared() }.is_empty()
    }

    /// Whether there is anything to be had without waiting.
    fn has_work(&self) -> bool {
        self.has_more() || self.ring.has_deferred()
    }

    /// For hosts: submits everything, and takes what comes of that without waiting.
    fn pass(&mut self) -> io::Result<usize> {
        self.bind()?;
        let mut count = 0;
        loop {
            self.ring.enter(Some(Duration::ZERO))?;
            count += self.reap();
            if !self.has_more() {
                return Ok(count);
            }
        }
    }

    /// Takes everything that can be had without waiting.
    fn drain(&mut self) -> io::Result<usize> {
        let mut count = 0;
        loop {
            count += self.pass()?;
            if !self.ring.has_deferred() {
                return Ok(count + self.ring.timers.fire());
            }
        }
    }

    /// A turn of a driver whose eventfd was handed to a host, and which is turned all the same.
    fn turn_as_host(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        let count = self.drain()?;
        self.ring.parker.reset_event();
        let at_most = if count > 0 { Some(Duration::ZERO) } else { at_most };
        let limit = self.ring.parker.wait_limit(at_most, &self.ring.timers);
        if limit != Some(Duration::ZERO) && !self.has_work() {
            let mut event = [PollFd::new(self.ring.parker.as_fd(), PollFlags::POLLIN)];
            let limit = limit.map(|limit| limit.as_nanos().div_ceil(1_000_000));
            let limit = limit.map_or(PollTimeout::NONE, |limit| {
                PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)
            });
            match poll(&mut event, limit) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        self.ring.parker.wake_up_after(limit);
        Ok(count + self.drain()?)
    }

    /// Waits until `done`, at most until `deadline`. `false` if it did not come to that.
    fn wait_for(&mut self, deadline: Instant, done: impl Fn(&Ring) -> bool) -> bool {
        while !done(&self.ring) {
            self.ring.lock().quiet.wait();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.ring.enter(Some(left)).is_err() {
                return false;
            }
            self.reap();
        }
        true
    }
}

impl Driver for UringDriver {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        if self.is_hosted.get() {
            return self.turn_as_host(at_most);
        }
        self.bind()?;
        let limit = self.ring.parker.wait_limit(at_most, &self.ring.timers);
        let entered = self.ring.enter(limit);
        self.ring.parker.wake_up_after(limit);
        entered?;
        Ok(self.reap() + self.ring.timers.fire())
    }

    fn prepare(&mut self) -> io::Result<Prepared> {
        let is_submitted = self.is_bound && !self.has_more();
        let count = if is_submitted { 0 } else { self.pass()? };
        if !is_submitted && self.is_hosted.get() {
            // What completed is known; what comes later is seen below, or tells again.
            self.ring.parker.reset_event();
        }
        match count {
            // The tasks that were woken may queue more.
            1.. => Ok(Prepared::Ready),
            0 => match self.ring.parker.prepare(&self.ring.timers) {
                // Queued by another thread, which saw the driver awake; or told of by the eventfd before
                // it was emptied, or put off by the kernel, and not told of again.
                Prepared::SleepUntil(_) if self.has_work() => {
                    self.ring.parker.wake_up();
                    Ok(Prepared::Ready)
                }
                prepared => Ok(prepared),
            },
        }
    }

    /// An eventfd that the kernel writes with each completion, deferred ones too, by which nobody
    /// who waits for the ring's own descriptor is woken; unparkers write it as well. (A second
    /// eventfd, polled by the ring, is not told on: the kernel does not signal one eventfd while
    /// another is written.) `None` if it can't be registered.
    fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        let event = self.ring.parker.as_fd();
        if !self.is_hosted.get() {
            self.ring.io.submitter().register_eventfd(event.as_raw_fd()).ok()?;
            self.is_hosted.set(true);
            // Its completions would write the eventfd that it polls.
            self.ring.push_cancel(&mut self.ring.lock(), Operation::Unpark);
            // What completed before was not told: the host must look once more.
            self.ring.parker.unparker().unpark();
        }
        Some(event)
    }

    fn dispatch(&mut self) -> io::Result<usize> {
        self.ring.parker.wake_up();
        let count = self.pass()?;
        if self.is_hosted.get() {
            self.ring.parker.reset_event();
        }
        Ok(count + self.ring.timers.fire())
    }

    fn unparker(&self) -> Unparker {
        self.ring.parker.unparker()
    }

    fn timers(&self) -> &Timers {
        &self.ring.timers
    }

    fn home(&self) -> Option<&Home> {
        Some(self.ring.registry.home())
    }
}

impl Drop for UringDriver {
    /// Flush, cancel, drain; what can't be drained is leaked, never freed.
    fn drop(&mut self) {
        self.ring.registry.end();
        self.ring.timers.end();
        let linger = Instant::now() + self.ring.settings.linger;
        let mut is_drained = self.bind().is_ok();
        if is_drained {
            self.wait_for(linger, |ring| !ring.lock().slots.is_sending());
            self.ring.cancel_everything();
            let limit = Instant::now() + DRAIN_LIMIT;
            // Also runs what the cancelled polls still have to do: let their sockets go.
            is_drained = self.drain().is_ok();
            is_drained &= self.wait_for(limit, |ring| !ring.lock().slots.is_busy());
        }
        let mut slots = self.ring.lock().slots.end();
        if !is_drained {
            tracing::warn!("io_uring could not be drained: its memory is leaked");
            slots.iter_mut().for_each(|slot| slot.send.leak());
            std::mem::forget(Arc::clone(&self.ring.buffers));
        } else if let Err(error) = self.ring.io.submitter().unregister_buf_ring(0) {
            tracing::debug!(%error, "the buffers stay registered until the ring closes");
        }
        for slot in &mut slots {
            self.reaped.woken.extend(slot.receive.take_waker());
            self.reaped.woken.extend(slot.send.take_waker());
        }
        drop(slots);
        self.reaped.woken.drain(..).for_each(Waker::wake);
    }
}

impl fmt::Debug for UringDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringDriver").field("ring", &self.ring).finish_non_exhaustive()
    }
}

/// What a poll's completion says, in core's words, which are those of `poll(2)`. A failed poll lets
/// the waiter try.
fn polled(result: i32, flags: u32) -> Event {
    let said = match u32::try_from(result) {
        // Of urgent data a poll on the ring knows nothing, and says something (`doubt`).
        Ok(events) => Event::from_bits_truncate(events) - Event::URGENT,
        Err(_) => Event::READ | Event::WRITE,
    };
    if cqueue::more(flags) { said } else { said | Event::SPENT }
}
