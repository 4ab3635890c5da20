//! Cached readiness: what is known of one descriptor, and who waits for it.
//!
//! The kernel says once that a descriptor became ready; this remembers it until an attempt finds
//! the descriptor not ready any more. So a busy connection makes one system call per read.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use atomic_waker::AtomicWaker;

use crate::error::driver_gone;
use crate::reactor::{Interest, Progress};

const READ: u32 = 1;
const WRITE: u32 = 2;
/// A short read does not mean that nothing follows: the peer has hung up or shut down, or it once
/// sent an out-of-band byte, at which reads stop.
const UNSURE: u32 = 4;
/// The driver is gone.
const ENDED: u32 = 8;
/// The kernel was asked to tell when reading works, or writing, and has not told yet: for reactors
/// that must ask (the ring).
const READ_ASKED: u32 = 16;
const WRITE_ASKED: u32 = 32;
/// Counts events above the flags, so that an event between an attempt and its answer is not
/// forgotten with the readiness of before.
const EVENT: u32 = 64;

/// How many attempts in a row may succeed before their task lets the others have a turn: a reader
/// that is slower than its sender would otherwise never wait (case 166).
const LONGEST_STREAK: u32 = 64;

/// What an event says of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Reading may work (`POLLIN`).
    pub read: bool,
    /// Writing may work (`POLLOUT`).
    pub write: bool,
    /// The peer shut its writing side down (`POLLRDHUP`).
    pub read_closed: bool,
    /// Both are over, or there is an error (`POLLHUP`, `POLLERR`).
    pub hangup: bool,
    /// An out-of-band byte is in the queue (`POLLPRI`).
    pub urgent: bool,
    /// The request that this answers is over: to be told again, the kernel must be
    /// [asked](CachedReadiness::ask) again.
    pub spent: Option<Interest>,
}

/// The readiness of one descriptor, shared by its source and its driver.
///
/// It begins as ready for everything: the first attempt finds out, and saves waiting for an event
/// where data is already there.
#[derive(Debug)]
pub struct CachedReadiness {
    state: AtomicU32,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// Attempts that succeeded in a row, by direction.
    streaks: [AtomicU32; 2],
}

impl Default for CachedReadiness {
    fn default() -> CachedReadiness {
        CachedReadiness {
            state: AtomicU32::new(READ | WRITE),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            streaks: [AtomicU32::new(0), AtomicU32::new(0)],
        }
    }
}

impl CachedReadiness {
    /// For drivers: notes an event, and puts those whom it concerns into `woken`.
    pub fn note(&self, event: Event, woken: &mut Vec<Waker>) {
        // Whoever waits for a request that is over must try, and ask again: io_uring ends a poll
        // for writing when the peer only shuts its own writing down.
        let is_spent = |interest| event.spent == Some(interest);
        let read = event.read || event.read_closed || event.hangup || is_spent(Interest::Read);
        let write = event.write || event.hangup || is_spent(Interest::Write);
        let mut flags = 0;
        flags |= if read { READ } else { 0 };
        flags |= if write { WRITE } else { 0 };
        flags |= if event.read_closed || event.hangup || event.urgent { UNSURE } else { 0 };
        let spent = event.spent.map_or(0, asked_flag);
        let note = |state: u32| Some((state & !spent).wrapping_add(EVENT) | flags);
        // The closure never answers `None`, so this can't fail.
        _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, note);
        if read {
            woken.extend(self.reader.take());
        }
        if write {
            woken.extend(self.writer.take());
        }
    }

    /// For drivers that end: whoever waits, or tries later, gets an error.
    pub fn end(&self) {
        self.state.fetch_or(ENDED, Ordering::AcqRel);
        self.reader.wake();
        self.writer.wake();
    }

    /// Notes that the kernel is asked about `interest`; `false` if it was asked already, and has
    /// not answered.
    pub fn ask(&self, interest: Interest) -> bool {
        let asked = asked_flag(interest);
        self.state.fetch_or(asked, Ordering::AcqRel) & asked == 0
    }

    /// Whether the kernel was asked about `interest` and has not answered.
    pub fn is_asked(&self, interest: Interest) -> bool {
        self.state.load(Ordering::Acquire) & asked_flag(interest) != 0
    }

    /// Whether `interest` is known not to be ready: what a driver must watch for.
    #[must_use]
    pub fn is_awaited(&self, interest: Interest) -> bool {
        self.state.load(Ordering::Acquire) & flag(interest) == 0
    }

    /// [`Source::poll_io`](crate::Source::poll_io) over this. `arm` is called each time before
    /// the wait begins, for reactors that must ask the kernel for each event. Now and then a task
    /// whose attempts always succeed is made to wait for its next turn.
    ///
    /// # Errors
    /// The attempt's; [`driver_gone`] when the driver has ended.
    pub fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut() -> io::Result<Progress<T>>,
        arm: impl Fn(),
    ) -> Poll<io::Result<T>> {
        let streak = &self.streaks[interest as usize];
        let successes = streak.load(Ordering::Relaxed);
        streak.store(0, Ordering::Relaxed);
        if successes == LONGEST_STREAK {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let mut seen = self.state.load(Ordering::Acquire);
            if seen & (flag(interest) | ENDED) == 0 {
                arm();
                match interest {
                    Interest::Read => self.reader.register(cx.waker()),
                    Interest::Write => self.writer.register(cx.waker()),
                }
                // An event after the first look found no waker to wake.
                seen = self.state.load(Ordering::Acquire);
                if seen & (flag(interest) | ENDED) == 0 {
                    return Poll::Pending;
                }
            }
            if seen & ENDED != 0 {
                return Poll::Ready(Err(driver_gone()));
            }
            match attempt() {
                Ok(Progress::Done(value)) => {
                    streak.store(successes + 1, Ordering::Relaxed);
                    return Poll::Ready(Ok(value));
                }
                Ok(Progress::Drained(value)) => {
                    match seen & UNSURE {
                        0 => self.forget(interest, seen),
                        _ => streak.store(successes + 1, Ordering::Relaxed),
                    }
                    return Poll::Ready(Ok(value));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.forget(interest, seen),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    /// Forgets a readiness, unless there was an event since `seen`.
    fn forget(&self, interest: Interest, seen: u32) {
        let forget = |now: u32| {
            let no_event = (now ^ seen) & (UNSURE | ENDED | !(EVENT - 1)) == 0;
            no_event.then_some(now & !flag(interest))
        };
        // If there was one, the readiness stays, and the next attempt finds out.
        _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, forget);
    }
}

fn flag(interest: Interest) -> u32 {
    match interest {
        Interest::Read => READ,
        Interest::Write => WRITE,
    }
}

fn asked_flag(interest: Interest) -> u32 {
    match interest {
        Interest::Read => READ_ASKED,
        Interest::Write => WRITE_ASKED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_streak_lets_others_go_first() {
        let readiness = CachedReadiness::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut attempts = 0;
        let mut poll = || {
            let attempt = || {
                attempts += 1;
                Ok(Progress::Done(()))
            };
            readiness.poll_io(&mut cx, Interest::Read, attempt, || {}).is_ready()
        };
        for _ in 0..3 {
            assert!((0..LONGEST_STREAK).all(|_| poll()), "a streak goes on for a while");
            assert!(!poll(), "then the task has to wait for its next turn");
        }
        assert_eq!(attempts, 3 * LONGEST_STREAK, "waiting attempts nothing");
    }
}
