//! Owned sends through the ring, which sends a chunk in place, one at a time on each connection.
//!
//! One in flight, because two could overtake each other. It is first tried without waiting, and
//! reports only if it could not send everything ([`crate::quiet`]); then with `MSG_WAITALL`, so that
//! the kernel itself finishes it when there is room. What was taken is sent also when the handle is
//! gone: the slot keeps the descriptor open until then (rule S7).

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::task::{Context, Poll, Waker};

use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};
use transport_core::reactor::Token;
use transport_core::{Chunk, socket};

use crate::buffers::Giving;
use crate::operation::Operation;
use crate::owned::{Reaped, Slot};
use crate::reactor::RingSource;
use crate::ring::{Ring, State};

/// The most that one request carries; the rest follows.
const MOST: usize = 1 << 30;

/// The sending side of a slot: nothing unless something is being sent or failed, for of many
/// connections most are silent.
#[derive(Default)]
pub(crate) struct Send(Option<Box<Sending>>);

/// The memory of sends that are over, for the next ones: of as many as were ever in flight at once.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "a slot takes the box, not what is in it")]
pub(crate) struct Spare(Vec<Box<Sending>>);

/// What is being sent, and what became of it.
#[derive(Default)]
struct Sending {
    /// What the kernel reads.
    in_flight: Option<Chunk>,
    /// The place in the queue of a send that reports only its failure.
    quiet: Option<u64>,
    /// What an earlier send came to, if it failed and nobody was told.
    failed: Option<i32>,
    waker: Option<Waker>,
    /// The writing half is gone: shut the direction down after the last byte.
    then_shut_down: bool,
}

impl Send {
    pub(crate) fn is_in_flight(&self) -> bool {
        self.0.as_ref().is_some_and(|sending| sending.in_flight.is_some())
    }

    pub(crate) fn bytes_in_flight(&self) -> usize {
        let in_flight = self.0.as_ref().and_then(|sending| sending.in_flight.as_ref());
        in_flight.map_or(0, |chunk| chunk.len())
    }

    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.0.as_mut()?.waker.take()
    }

    /// Takes the chunk out of the kernel's sight for ever: when its ring could not be drained.
    pub(crate) fn leak(&mut self) {
        std::mem::forget(self.0.as_mut().and_then(|sending| sending.in_flight.take()));
    }

    fn take_failure(&mut self) -> Option<io::Error> {
        self.0.as_mut()?.failed.take().map(io::Error::from_raw_os_error)
    }

    /// Whether the send with this place in the queue has not reported.
    fn is_quiet_at(&self, place: u64) -> bool {
        self.0.as_ref().is_some_and(|sending| sending.quiet == Some(place))
    }
}

/// A send of the whole chunk. With `flags` of `MSG_DONTWAIT` it fails unless that is possible now.
fn entry(fd: BorrowedFd<'_>, chunk: &Chunk, flags: i32) -> Entry {
    let length = chunk.len().min(MOST) as u32;
    opcode::Send::new(types::Fd(fd.as_raw_fd()), chunk.as_ptr(), length)
        .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL | flags)
        .build()
}

impl RingSource {
    /// Takes the whole chunk if nothing is being sent, else waits.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        chunk: &mut Chunk,
    ) -> Poll<io::Result<usize>> {
        let _old_waker;
        let mut state = self.ring.lock();
        let place = state.queued;
        let token = self.token(&mut state)?;
        let State { slots, spare, .. } = &mut *state;
        let slot = slots.living(token);
        if slot.send.is_in_flight() {
            _old_waker = register(&mut slot.send, cx.waker());
            state.quiet.wait();
            drop(state);
            self.ring.nudge();
            return Poll::Pending;
        }
        if let Some(e) = slot.send.take_failure() {
            return Poll::Ready(Err(e));
        }
        let length = chunk.len();
        let is_quiet = length <= MOST;
        let entry = match is_quiet {
            true => entry(slot.fd(), chunk, libc::MSG_DONTWAIT).flags(Flags::SKIP_SUCCESS),
            false => entry(slot.fd(), chunk, 0),
        };
        let sending = slot.send.0.get_or_insert_with(|| spare.0.pop().unwrap_or_default());
        sending.in_flight = Some(std::mem::take(chunk));
        sending.quiet = is_quiet.then_some(place);
        self.ring.push(&mut state, Operation::Send(token), entry);
        if is_quiet {
            state.quiet.push(place, token);
        }
        drop(state);
        self.ring.nudge();
        Poll::Ready(Ok(length))
    }

    /// Ready when nothing is being sent; reports what failed.
    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(token) = self.existing_slot() else { return Poll::Ready(Ok(())) };
        let _old_waker;
        let mut state = self.ring.lock();
        if state.slots.is_ending() {
            return Poll::Ready(Err(transport_core::error::driver_gone()));
        }
        let Some(slot) = state.slots.get(token) else { return Poll::Ready(Ok(())) };
        if slot.send.is_in_flight() {
            _old_waker = register(&mut slot.send, cx.waker());
            state.quiet.wait();
            drop(state);
            self.ring.nudge();
            return Poll::Pending;
        }
        Poll::Ready(slot.send.take_failure().map_or(Ok(()), Err))
    }

    /// Leaves shutting the direction down to the driver, after the last byte; `false` if nothing
    /// is being sent.
    pub(crate) fn shut_down_when_sent(&self) -> bool {
        if !self.may_send_by_completion() {
            return false;
        }
        let Some(token) = self.existing_slot() else { return false };
        let mut state = self.ring.lock();
        let slot = state.slots.get(token).filter(|slot| slot.send.is_in_flight());
        let Some(sending) = slot.and_then(|slot| slot.send.0.as_mut()) else { return false };
        sending.then_shut_down = true;
        state.quiet.wait();
        drop(state);
        self.ring.nudge();
        true
    }
}

/// Has `waker` woken when what is being sent is over. Answers the one that it replaces.
fn register(send: &mut Send, waker: &Waker) -> Option<Waker> {
    let waiting = &mut send.0.as_mut()?.waker;
    match waiting {
        Some(old) if old.will_wake(waker) => None,
        _ => waiting.replace(waker.clone()),
    }
}

impl Ring {
    /// Notes what a send reported: that it took everything, or how it failed.
    pub(crate) fn complete_send(
        &self,
        state: &mut State,
        giving: &mut Giving<'_>,
        token: Token,
        result: i32,
        reaped: &mut Reaped,
    ) {
        let is_ending = state.slots.is_ending();
        let Some(slot) = state.slots.get(token) else { return };
        let Some(sending) = &mut slot.send.0 else { return };
        let Some(chunk) = sending.in_flight.as_mut() else { return };
        sending.quiet = None;
        let failed = match usize::try_from(result) {
            Ok(sent) if sent < chunk.len() => {
                // Not all of it, so this drops no memory under the lock.
                chunk.advance(sent);
                if !is_ending {
                    return self.submit_send(state, token);
                }
                Some(libc::ECANCELED)
            }
            Ok(_) => None,
            Err(_) if !is_ending && matches!(-result, libc::EINTR | libc::EAGAIN) => {
                return self.submit_send(state, token);
            }
            Err(_) => Some(-result),
        };
        sending.failed = failed;
        self.finish_send(slot, &mut state.spare, giving, reaped);
    }

    /// Concludes that a quiet send, which was submitted, took everything, unless it reported.
    pub(crate) fn conclude_send(
        &self,
        state: &mut State,
        giving: &mut Giving<'_>,
        (place, token): (u64, Token),
        reaped: &mut Reaped,
    ) {
        let slot = state.slots.get(token).filter(|slot| slot.send.is_quiet_at(place));
        let Some(slot) = slot else { return };
        self.finish_send(slot, &mut state.spare, giving, reaped);
        state.slots.remove_if_over(token, &mut reaped.over);
    }

    /// The send of this slot is over, however it ended.
    #[inline]
    fn finish_send(
        &self,
        slot: &mut Slot,
        spare: &mut Spare,
        giving: &mut Giving<'_>,
        reaped: &mut Reaped,
    ) {
        let Some(mut sending) = slot.send.0.take() else { return };
        if sending.then_shut_down {
            // Nobody is left to tell.
            _ = socket::shutdown(slot.fd(), Shutdown::Write);
        }
        reaped.woken.extend(sending.waker.take());
        if let Some(chunk) = &mut sending.in_flight {
            match chunk.take_back(&self.buffers) {
                Some(buffer) => giving.put(buffer as u16),
                None => reaped.sent.push(std::mem::take(chunk)),
            }
        }
        // What is left is empty: this drops no memory under the lock.
        *sending = Sending { failed: sending.failed, ..Sending::default() };
        match sending.failed {
            // Until somebody is told.
            Some(_) => slot.send.0 = Some(sending),
            None => spare.0.push(sending),
        }
    }

    /// Queues what the slot has to send.
    fn submit_send(&self, state: &mut State, token: Token) {
        let Some(slot) = state.slots.get(token) else { return };
        let Some(sending) = &slot.send.0 else { return };
        let Some(chunk) = &sending.in_flight else { return };
        let entry = entry(slot.fd(), chunk, 0);
        self.push(state, Operation::Send(token), entry);
    }
}
