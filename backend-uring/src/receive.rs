//! Owned receives: the ring's buffers, handed out as chunks.
//!
//! A multishot receive posts a completion for each piece that arrives. It runs ahead of the reader
//! by a bounded number of chunks, then is cancelled until the reader catches up, so that a peer
//! that is never read is stopped by the socket's own back-pressure. It can miss the end of the stream,
//! for which it is therefore in doubt ([`crate::doubt`]).

use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, Waker};

use io_uring::squeue::{Entry, Flags};
use io_uring::{cqueue, opcode, types};
use transport_core::Chunk;
use transport_core::reactor::Token;

use crate::buffers::{GROUP, Giving};
use crate::doubt::Doubt;
use crate::operation::Operation;
use crate::owned::Slot;
use crate::reactor::RingSource;
use crate::received::Received;
use crate::ring::{Ring, State};

/// The receiving side of a slot.
#[derive(Default)]
pub(crate) struct Receive {
    request: Request,
    received: Received,
    end: Option<End>,
    waker: Option<Waker>,
}

/// What the kernel was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Request {
    #[default]
    Idle,
    Armed,
    /// Asked to stop; the receive's last completion is still to come.
    Cancelled,
}

/// How the stream ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// For good.
    Stream,
    /// Told once; after a reset the kernel answers the end of the stream.
    Error(i32),
}

impl Receive {
    pub(crate) fn is_idle(&self) -> bool {
        self.request == Request::Idle
    }

    pub(crate) fn take_received(&mut self) -> Received {
        std::mem::take(&mut self.received)
    }

    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Whether a cancellation must be queued now.
    pub(crate) fn begin_cancel(&mut self) -> bool {
        let begins = self.request == Request::Armed;
        if begins {
            self.request = Request::Cancelled;
        }
        begins
    }

    fn take_end(&mut self) -> Option<io::Result<()>> {
        match self.end {
            None => None,
            Some(End::Stream) => Some(Ok(())),
            Some(End::Error(errno)) => {
                self.end = None;
                Some(Err(io::Error::from_raw_os_error(errno)))
            }
        }
    }

    fn register(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.waker {
            Some(old) if old.will_wake(waker) => None,
            _ => self.waker.replace(waker.clone()),
        }
    }
}

impl RingSource {
    /// The next received chunk; empty at the end of the stream.
    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        // Declared before the lock, so dropped after it.
        let _old_waker;
        let mut state = self.ring.lock();
        let (token, slot) = self.slot(&mut state)?;
        if let Some(chunk) = slot.receive.received.pop() {
            let caught_up = slot.receive.received.len() <= self.ring.settings.run_ahead / 2;
            if caught_up && slot.receive.is_idle() && slot.receive.end.is_none() {
                self.ring.arm(&mut state, token);
                drop(state);
                self.ring.nudge();
            }
            return Poll::Ready(Ok(chunk));
        }
        if let Some(end) = slot.receive.take_end() {
            return Poll::Ready(end.map(|()| Chunk::new()));
        }
        _old_waker = slot.receive.register(cx.waker());
        if slot.receive.is_idle() {
            self.ring.arm(&mut state, token);
        }
        drop(state);
        self.ring.nudge();
        Poll::Pending
    }

    /// A read by readiness after receives by completion: first what was received, of which `take`
    /// takes some, or how the stream ended; then the receive must be over, and the answer is
    /// `None`.
    pub(crate) fn poll_leave<T>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Received) -> Option<T>,
        at_end: T,
    ) -> Poll<io::Result<Option<T>>> {
        let Some(token) = self.existing_slot() else { return Poll::Ready(Ok(None)) };
        let _old_waker;
        let mut state = self.ring.lock();
        let Some(slot) = state.slots.get(token) else { return Poll::Ready(Ok(None)) };
        let cancels = slot.receive.begin_cancel();
        let answer = if let Some(taken) = take(&mut slot.receive.received) {
            Poll::Ready(Ok(Some(taken)))
        } else if let Some(end) = slot.receive.take_end() {
            Poll::Ready(end.map(|()| Some(at_end)))
        } else if slot.receive.is_idle() {
            Poll::Ready(Ok(None))
        } else {
            _old_waker = slot.receive.register(cx.waker());
            Poll::Pending
        };
        if cancels {
            self.ring.push_cancel(&mut state, Operation::Receive(token));
        }
        drop(state);
        if cancels {
            self.ring.nudge();
        }
        answer
    }

    /// Stops receiving; ready when that is certain.
    pub(crate) fn poll_stop(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(token) = self.existing_slot() else { return Poll::Ready(()) };
        let _old_waker;
        let mut state = self.ring.lock();
        let Some(slot) = state.slots.get(token) else { return Poll::Ready(()) };
        if slot.receive.is_idle() {
            return Poll::Ready(());
        }
        _old_waker = slot.receive.register(cx.waker());
        if slot.receive.begin_cancel() {
            self.ring.push_cancel(&mut state, Operation::Receive(token));
        }
        drop(state);
        self.ring.nudge();
        Poll::Pending
    }

    /// Takes out what was received and not read.
    pub(crate) fn take_received(&self) -> Received {
        let Some(token) = self.existing_slot() else { return Received::default() };
        let mut state = self.ring.lock();
        state.slots.get(token).map(|slot| slot.receive.take_received()).unwrap_or_default()
    }

    /// The reading half goes: what was received is dropped, and nothing more is received.
    pub(crate) fn stop_receiving(&self) {
        let Some(token) = self.existing_slot() else { return };
        let received;
        let mut state = self.ring.lock();
        let Some(slot) = state.slots.get(token) else { return };
        received = slot.receive.take_received();
        if slot.receive.begin_cancel() {
            self.ring.push_cancel(&mut state, Operation::Receive(token));
        }
        drop(state);
        drop(received);
        self.ring.nudge();
    }

    /// How many received bytes this connection holds.
    pub(crate) fn held(&self) -> usize {
        let Some(token) = self.existing_slot() else { return 0 };
        let mut state = self.ring.lock();
        state.slots.get(token).map_or(0, |slot| slot.receive.received.bytes())
    }
}

impl Ring {
    /// Asks the kernel to receive for a slot that is idle.
    fn arm(&self, state: &mut State, token: Token) {
        if state.slots.is_ending() {
            return;
        }
        let Some(slot) = state.slots.get(token) else { return };
        slot.receive.request = Request::Armed;
        let entry = self.receive_entry(slot);
        self.push(state, Operation::Receive(token), entry);
    }

    fn receive_entry(&self, slot: &Slot) -> Entry {
        let fd = types::Fd(slot.fd().as_raw_fd());
        if self.settings.multishot {
            return opcode::RecvMulti::new(fd, GROUP).build();
        }
        // Length 0 is the length of the buffer that the kernel takes.
        let receive = opcode::Recv::new(fd, std::ptr::null_mut(), 0).buf_group(GROUP);
        receive.build().flags(Flags::BUFFER_SELECT)
    }

    pub(crate) fn complete_receive(
        &self,
        state: &mut State,
        giving: &mut Giving<'_>,
        token: Token,
        result: i32,
        flags: u32,
        woken: &mut Vec<Waker>,
    ) {
        let buffer = cqueue::buffer_select(flags);
        let is_over = !cqueue::more(flags);
        let Some(slot) = state.slots.get(token) else {
            buffer.inspect(|&buffer| giving.recycle(buffer));
            return;
        };
        let receive = &mut slot.receive;
        let mut is_in_doubt = false;
        match (usize::try_from(result), buffer) {
            (Ok(length @ 1..), Some(buffer)) if !slot.is_orphan => {
                receive.received.push(self.buffers.received(giving, buffer, length));
                is_in_doubt = !is_over
                    && slot.fd.as_ref().is_some_and(|fd| {
                        self.doubts.note(Doubt::Unended(token), fd, &slot.doubted)
                    });
            }
            (count, buffer) => {
                // The end, an error, or bytes that nobody wants: the buffer must go back.
                buffer.inspect(|&buffer| giving.recycle(buffer));
                // A reader that has chunks of its own to take needs no more: one request can go
                // through any number of buffers while its writer keeps up.
                if result == -libc::ENOBUFS && receive.received.len() == 0 {
                    giving.grow();
                }
                match count {
                    Ok(1..) => {}
                    Ok(0) => receive.end = Some(End::Stream),
                    Err(_) => receive.end = end_of(-result),
                }
            }
        }
        woken.extend(receive.waker.take());
        let is_full = receive.received.len() >= self.settings.run_ahead.max(1);
        if is_over {
            let was_cancelled = std::mem::take(&mut receive.request) == Request::Cancelled;
            // It ran out of buffers, or the kernel ended it for reasons of its own: the reader
            // still wants it, unless it has enough for now, and asks again itself.
            let has_enough = is_full || result == -libc::ENOBUFS && receive.received.len() > 0;
            if !was_cancelled && !has_enough && !slot.is_orphan && receive.end.is_none() {
                self.arm(state, token);
            }
        } else if is_full && receive.begin_cancel() {
            self.push_cancel(state, Operation::Receive(token));
        }
        if is_in_doubt {
            self.push_settle(state);
        }
    }

    /// Cancels the receives of slots whose streams have ended, unless they told of it: they have missed
    /// it. Their readers, who are woken by that, ask anew, and a receive that begins after the end
    /// can't.
    pub(crate) fn cancel_deaf(&self, ended: impl Iterator<Item = Token>) {
        let mut state = self.lock();
        for token in ended {
            let Some(slot) = state.slots.get(token) else { continue };
            if slot.receive.end.is_none() && slot.receive.begin_cancel() {
                state.ends_missed += 1;
                self.push_cancel(&mut state, Operation::Receive(token));
            }
        }
    }
}

/// Whether a failed receive ended the stream: not if it was cancelled, or only needs asking again.
fn end_of(errno: i32) -> Option<End> {
    match errno {
        libc::ECANCELED | libc::ENOBUFS | libc::EINTR | libc::EAGAIN => None,
        errno => Some(End::Error(errno)),
    }
}
