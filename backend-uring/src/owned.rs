//! The owned path's connections: a slot each, made with the first owned operation, which lives
//! until the handle is gone and every operation has reported.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

use slab::Slab;
use transport_core::error::driver_gone;
use transport_core::reactor::Token;
use transport_core::{Chunk, SharedFd};

use crate::buffers::Giving;
use crate::operation::Operation;
use crate::reactor::RingSource;
use crate::receive::Receive;
use crate::received::Received;
use crate::ring::{Ring, State};
use crate::send::Send;

/// The token bits of a source that has no slot.
pub(crate) const NO_SLOT: u64 = u64::MAX;

/// One connection on the owned path.
pub(crate) struct Slot {
    generation: u32,
    /// Keeps the descriptor open while queued operations name it.
    pub(crate) fd: Option<SharedFd>,
    pub(crate) receive: Receive,
    pub(crate) send: Send,
    /// See [`Doubts::note`](crate::doubt::Doubts::note).
    pub(crate) doubted: AtomicU32,
    /// The handle is gone: what is being sent is finished, nothing else.
    pub(crate) is_orphan: bool,
}

impl Slot {
    /// The descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("only an orphan that sends nothing has none").as_fd()
    }

    fn is_over(&self) -> bool {
        self.is_orphan && self.receive.is_idle() && !self.send.is_in_flight()
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Slots {
    slots: Slab<Slot>,
    /// How many of them are orphans: mostly none, and then none has to be looked for.
    orphans: usize,
    generation: u32,
    phase: Phase,
}

/// Where the ring is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Living,
    /// No operation starts any more; those in flight are cancelled.
    Ending,
    /// Nobody enters it any more.
    Ended,
}

/// What the completions of one turn came to: to be woken, and to be dropped, after the lock was
/// released, because foreign code may run then. Kept for its memory.
#[derive(Default)]
pub(crate) struct Reaped {
    pub(crate) woken: Vec<Waker>,
    pub(crate) sent: Vec<Chunk>,
    pub(crate) over: Vec<Slot>,
}

impl Slots {
    fn insert(&mut self, fd: SharedFd) -> Token {
        self.generation = (self.generation + 1) & 0x0fff_ffff;
        let generation = self.generation;
        let (receive, send) = (Receive::default(), Send::default());
        let (doubted, is_orphan) = (AtomicU32::new(0), false);
        let slot = Slot { generation, fd: Some(fd), receive, send, doubted, is_orphan };
        Token::new(self.slots.insert(slot), generation)
    }

    /// The slot, unless it is another's by now.
    pub(crate) fn get(&mut self, token: Token) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(token.place())?;
        (slot.generation == token.generation()).then_some(slot)
    }

    /// The slot of one whose handle is there.
    pub(crate) fn living(&mut self, token: Token) -> &mut Slot {
        self.get(token).expect("a slot lives as long as its handle")
    }

    /// Notes that the handle of a slot is gone; once.
    fn make_orphan(&mut self, token: Token) -> Option<&mut Slot> {
        self.get(token)?.is_orphan = true;
        self.orphans += 1;
        self.get(token)
    }

    /// Takes the slot out, into `over`, if nothing is left to do for it. (Answering it would move
    /// two hundred bytes with every completion.)
    #[inline]
    pub(crate) fn remove_if_over(&mut self, token: Token, over: &mut Vec<Slot>) {
        if self.orphans > 0 {
            self.remove_orphan_if_over(token, over);
        }
    }

    fn remove_orphan_if_over(&mut self, token: Token, over: &mut Vec<Slot>) {
        if self.get(token).is_some_and(|slot| slot.is_over()) {
            self.orphans -= 1;
            over.push(self.slots.remove(token.place()));
        }
    }

    /// Whether anything is being sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.slots.iter().any(|(_, slot)| slot.send.is_in_flight())
    }

    /// Whether any operation has not reported yet.
    pub(crate) fn is_busy(&self) -> bool {
        let is_busy = |slot: &Slot| !slot.receive.is_idle() || slot.send.is_in_flight();
        self.slots.iter().any(|(_, slot)| is_busy(slot))
    }

    /// How many bytes of chunks the kernel may still read.
    pub(crate) fn bytes_in_flight(&self) -> usize {
        self.slots.iter().map(|(_, slot)| slot.send.bytes_in_flight()).sum()
    }

    /// No operation starts any more.
    pub(crate) fn begin_end(&mut self) {
        self.phase = Phase::Ending;
    }

    /// Nothing is queued any more. Answers all slots, whose waiters get an error.
    pub(crate) fn end(&mut self) -> Vec<Slot> {
        self.phase = Phase::Ended;
        self.orphans = 0;
        self.slots.drain().collect()
    }

    /// Whether no operation starts any more: the driver is gone, or going.
    pub(crate) fn is_ending(&self) -> bool {
        self.phase != Phase::Living
    }

    /// Whether nobody enters the ring any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }
}

impl RingSource {
    /// This connection's slot, made now if it has none.
    ///
    /// # Errors
    /// [`driver_gone`] after the end.
    #[inline]
    pub(crate) fn slot<'s>(&self, state: &'s mut State) -> std::io::Result<(Token, &'s mut Slot)> {
        let token = self.token(state)?;
        Ok((token, state.slots.living(token)))
    }

    /// The token of the same.
    ///
    /// # Errors
    /// As for [`slot`](RingSource::slot).
    #[inline]
    pub(crate) fn token(&self, state: &mut State) -> std::io::Result<Token> {
        match state.slots.is_ending() {
            true => Err(driver_gone()),
            false => Ok(self.existing_slot().unwrap_or_else(|| self.make_slot(state))),
        }
    }

    #[cold]
    fn make_slot(&self, state: &mut State) -> Token {
        let token = state.slots.insert(SharedFd::clone(&self.fd));
        self.slot.store(token.bits(), Ordering::Relaxed);
        token
    }

    /// The slot's token, if there is a slot.
    pub(crate) fn existing_slot(&self) -> Option<Token> {
        let bits = self.slot.load(Ordering::Relaxed);
        (bits != NO_SLOT).then(|| Token::from_bits(bits))
    }

    /// Whether an owned send may be in flight on the ring.
    pub(crate) fn may_send_by_completion(&self) -> bool {
        !self.ring.sends_directly && self.existing_slot().is_some()
    }

    /// The handle goes: stops receiving, and leaves what is being sent to the driver.
    /// Answers whether a cancellation was queued.
    pub(crate) fn abandon(&self) -> bool {
        let Some(token) = self.existing_slot() else { return false };
        let (mut cancels, mut is_sending) = (false, false);
        let mut dropped = Abandoned::default();
        let mut state = self.ring.lock();
        if let Some(slot) = state.slots.make_orphan(token) {
            dropped.received = slot.receive.take_received();
            cancels = slot.receive.begin_cancel();
            is_sending = slot.send.is_in_flight();
            if cancels {
                self.ring.push_cancel(&mut state, Operation::Receive(token));
            }
            state.slots.remove_if_over(token, &mut dropped.over);
            if is_sending {
                // The descriptor waits for the end of that.
                state.quiet.wait();
            }
        }
        drop(state);
        drop(dropped);
        if is_sending {
            self.ring.nudge();
        }
        cancels
    }

    /// After everything queued was submitted: the slot needs the descriptor only for sending.
    pub(crate) fn release_descriptor(&self) {
        let Some(token) = self.existing_slot() else { return };
        let released;
        let mut state = self.ring.lock();
        let idle = state.slots.get(token).filter(|slot| !slot.send.is_in_flight());
        released = idle.and_then(|slot| slot.fd.take());
        drop(state);
        drop(released);
    }
}

/// What an abandoned slot leaves to be dropped outside the lock.
#[derive(Default)]
struct Abandoned {
    received: Received,
    over: Vec<Slot>,
}

impl Ring {
    /// Notes the completion of an owned operation.
    pub(crate) fn complete(
        &self,
        state: &mut State,
        giving: &mut Giving<'_>,
        operation: Operation,
        result: i32,
        flags: u32,
        reaped: &mut Reaped,
    ) {
        let token = match operation {
            Operation::Receive(token) => {
                self.complete_receive(state, giving, token, result, flags, &mut reaped.woken);
                token
            }
            Operation::Send(token) => {
                self.complete_send(state, giving, token, result, reaped);
                token
            }
            _ => return,
        };
        state.slots.remove_if_over(token, &mut reaped.over);
    }
}
