//! Cached readiness: what is known of one descriptor, and who waits for it.
//!
//! The kernel says once that a descriptor became ready; this remembers it until an attempt finds
//! the descriptor not ready any more. So a busy connection makes one system call per read.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bitflags::bitflags;

use crate::error::driver_gone;
use crate::reactor::waiters::Waiters;
use crate::reactor::{Home, Interest, Progress, Streak};

/// A short read does not mean that nothing follows: the peer has hung up or shut down, or it once
/// sent an out-of-band byte, at which reads stop.
const UNSURE: u8 = 1;
/// The driver is gone.
const ENDED: u8 = 2;

bitflags! {
    /// What an event says of a descriptor: the bits of `poll(2)`, so that an answer of the kernel is
    /// one as it is ([`from_bits_truncate`](Self::from_bits_truncate)), and one more.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Event: u32 {
        /// Reading may work (`POLLIN`).
        const READ = libc::POLLIN as u32;
        /// Writing may work (`POLLOUT`).
        const WRITE = libc::POLLOUT as u32;
        /// The peer shut its writing side down (`POLLRDHUP`).
        const READ_CLOSED = libc::POLLRDHUP as u32;
        /// Both are over, or there is an error (`POLLHUP`, `POLLERR`, `POLLNVAL`).
        const HANGUP = (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) as u32;
        /// An out-of-band byte is in the queue (`POLLPRI`).
        const URGENT = libc::POLLPRI as u32;
        /// The request that this answers is over: to be told again, the kernel must be
        /// [asked](CachedReadiness::ask) again.
        const SPENT = 1 << 16;
    }
}

impl From<Interest> for Event {
    /// What says that it may work.
    fn from(interest: Interest) -> Event {
        match interest {
            Interest::Read => Event::READ,
            Interest::Write => Event::WRITE,
        }
    }
}

impl Event {
    /// After any of these a short read does not mean that nothing follows.
    const UNSURE: Event = Event::READ_CLOSED.union(Event::HANGUP).union(Event::URGENT);
    /// A read must look.
    const OF_READS: Event = Event::READ.union(Event::UNSURE).union(Event::SPENT);
    /// A write must try. (io_uring ends a poll for writing when the peer only shuts its own
    /// writing down: whoever waits must ask again.)
    const OF_WRITES: Event = Event::WRITE.union(Event::HANGUP).union(Event::SPENT);
}

/// The readiness of one descriptor, shared by its source and its driver.
///
/// It begins as ready for everything: the first attempt finds out, and saves waiting for an event
/// where data is already there.
#[derive(Debug)]
pub struct CachedReadiness {
    reading: Direction,
    writing: Direction,
    waiters: Waiters,
    /// How many events of reading there were when a write last found no room. A peer that has sent
    /// since may have read, too, and the kernel tells of room only when most of it is free.
    /// Written by whoever writes.
    no_room_at: AtomicU32,
    /// What the kernel was asked to tell of, and did not tell for the last time: [`Event::READ`],
    /// [`Event::WRITE`]. For reactors that must ask. Set by whoever waits, and taken back by the
    /// driver.
    asked: AtomicU32,
    /// [`UNSURE`], [`ENDED`].
    flags: AtomicU8,
}

/// What is known of one direction. Each number has one writer, so a busy connection needs no
/// read-modify-write here.
#[derive(Debug)]
struct Direction {
    /// How many events there were. Written by the driver.
    events: AtomicU32,
    /// How many there were when an attempt last found nothing more to do: the direction is ready
    /// if there were others since. Written by whoever makes the attempts.
    spent: AtomicU32,
    streak: Streak,
}

impl Default for Direction {
    fn default() -> Direction {
        Direction { events: AtomicU32::new(1), spent: AtomicU32::new(0), streak: Streak::default() }
    }
}

impl Direction {
    /// Notes an event; by the driver.
    fn note(&self) {
        let next = self.events.load(Ordering::Relaxed).wrapping_add(1);
        // After so many events that the count is where it was when it was last spent, it must not
        // look spent.
        let skips = next == self.spent.load(Ordering::Relaxed);
        self.events.store(next.wrapping_add(u32::from(skips)), Ordering::Release);
    }

    fn is_ready(&self, seen: u32) -> bool {
        seen != self.spent.load(Ordering::Relaxed)
    }
}

impl CachedReadiness {
    pub(super) fn new(home: &Home) -> CachedReadiness {
        CachedReadiness {
            reading: Direction::default(),
            writing: Direction::default(),
            waiters: Waiters::new(home),
            no_room_at: AtomicU32::new(0),
            asked: AtomicU32::new(0),
            flags: AtomicU8::new(0),
        }
    }

    /// For drivers, by one thread at a time, at home (both by [`Registry::note`](super::Registry::note)):
    /// notes an event, and puts whom it concerns at home into `woken`.
    #[inline]
    pub(super) fn note(&self, event: Event, woken: &mut Vec<Waker>) {
        if event.intersects(Event::UNSURE) {
            // Before the events below, so that whoever sees them sees this.
            self.flags.fetch_or(UNSURE, Ordering::Relaxed);
        }
        if event.contains(Event::SPENT) {
            // Before the events below, so that whoever sees them asks again.
            self.asked.store(0, Ordering::Relaxed);
        }
        if event.intersects(Event::OF_READS) {
            self.reading.note();
        }
        if event.intersects(Event::OF_WRITES) {
            self.writing.note();
        }
        self.wake(event, woken, Waiters::take_at_home);
    }

    /// The same for whom it concerns elsewhere.
    pub(super) fn wake_elsewhere(&self, event: Event, woken: &mut Vec<Waker>) {
        self.wake(event, woken, Waiters::take_elsewhere);
    }

    #[inline]
    fn wake(
        &self,
        event: Event,
        woken: &mut Vec<Waker>,
        take: impl Fn(&Waiters, Interest) -> Option<Waker>,
    ) {
        if event.intersects(Event::OF_READS)
            && let Some(waker) = take(&self.waiters, Interest::Read)
        {
            woken.push(waker);
        }
        let has_room = event.intersects(Event::OF_WRITES);
        if (has_room || event.contains(Event::READ) && self.is_awaited(Interest::Write))
            && let Some(waker) = take(&self.waiters, Interest::Write)
        {
            woken.push(waker);
        }
    }

    /// For drivers that end, at home: whoever waits, or tries later, gets an error.
    pub(super) fn end(&self) {
        self.flags.fetch_or(ENDED, Ordering::Release);
        let takes = [Waiters::take_at_home, Waiters::take_elsewhere];
        for interest in [Interest::Read, Interest::Write] {
            takes.iter().filter_map(|take| take(&self.waiters, interest)).for_each(Waker::wake);
        }
    }

    /// Notes that the kernel is asked about `interest`, too. Answers what it was asked about before:
    /// [`Event::READ`], [`Event::WRITE`].
    pub fn ask(&self, interest: Interest) -> Event {
        let before = self.asked.fetch_or(Event::from(interest).bits(), Ordering::AcqRel);
        Event::from_bits_retain(before)
    }

    /// Notes that the kernel is not asked about `interests` any more. Answers what it was asked about
    /// before.
    pub fn take_back(&self, interests: Event) -> Event {
        let before = self.asked.fetch_and(!interests.bits(), Ordering::AcqRel);
        Event::from_bits_retain(before)
    }

    /// Whether the kernel was asked about `interest`, and will tell. An answer that is not seen here
    /// yet is followed by its event, which the wait that begins now sees or is woken by.
    #[must_use]
    pub fn is_asked(&self, interest: Interest) -> bool {
        self.asked.load(Ordering::Acquire) & Event::from(interest).bits() != 0
    }

    /// Whether `interest` is known not to be ready: what a driver must watch for.
    #[must_use]
    pub fn is_awaited(&self, interest: Interest) -> bool {
        let direction = self.direction(interest);
        !direction.is_ready(direction.events.load(Ordering::Relaxed))
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
        let direction = self.direction(interest);
        let successes = ready!(direction.streak.poll_begin(cx));
        loop {
            let (mut seen, mut flags) = self.look(direction);
            if !direction.is_ready(seen) && flags & ENDED == 0 && !self.is_worth_a_try(interest) {
                arm();
                self.waiters.wait(interest, cx.waker());
                // An event after the first look found no waker to wake.
                (seen, flags) = self.look(direction);
                if !direction.is_ready(seen) && flags & ENDED == 0 {
                    return Poll::Pending;
                }
            }
            if flags & ENDED != 0 {
                return Poll::Ready(Err(driver_gone()));
            }
            match attempt() {
                Ok(Progress::Drained(value)) if flags & UNSURE == 0 => {
                    self.spend(interest, seen);
                    return Poll::Ready(Ok(value));
                }
                Ok(Progress::Done(value) | Progress::Drained(value)) => {
                    direction.streak.go_on(successes);
                    return Poll::Ready(Ok(value));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.spend(interest, seen),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    /// Remembers that an attempt found nothing more to do, when there had been `seen` events.
    fn spend(&self, interest: Interest, seen: u32) {
        self.direction(interest).spent.store(seen, Ordering::Relaxed);
        if interest == Interest::Write {
            let reads = self.reading.events.load(Ordering::Relaxed);
            self.no_room_at.store(reads, Ordering::Relaxed);
        }
    }

    /// Whether to try without having been told: to write, once for each time that the peer sent.
    fn is_worth_a_try(&self, interest: Interest) -> bool {
        let reads = || self.reading.events.load(Ordering::Relaxed);
        interest == Interest::Write && self.no_room_at.load(Ordering::Relaxed) != reads()
    }

    /// How many events there were, and the flags as of then or later.
    fn look(&self, direction: &Direction) -> (u32, u8) {
        let events = direction.events.load(Ordering::Acquire);
        (events, self.flags.load(Ordering::Acquire))
    }

    fn direction(&self, interest: Interest) -> &Direction {
        match interest {
            Interest::Read => &self.reading,
            Interest::Write => &self.writing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel tells of room only when most of it is free, and a peer that sends may have read.
    #[test]
    fn a_writer_without_room_tries_again_when_its_peer_has_sent() {
        let readiness = CachedReadiness::new(&Home::new());
        let mut cx = Context::from_waker(Waker::noop());
        let mut attempts = 0;
        let mut write = |answer: io::Result<Progress<()>>| {
            let mut answer = Some(answer);
            let no_room = || Err(io::ErrorKind::WouldBlock.into());
            let attempt = || {
                attempts += 1;
                answer.take().unwrap_or_else(no_room)
            };
            let is_ready = readiness.poll_io(&mut cx, Interest::Write, attempt, || {}).is_ready();
            (is_ready, std::mem::take(&mut attempts))
        };
        let full = || Err(io::ErrorKind::WouldBlock.into());
        assert_eq!(write(full()), (false, 1));
        assert_eq!(write(full()), (false, 0), "nothing has happened");
        let mut woken = Vec::new();
        readiness.note(Event::READ, &mut woken);
        readiness.wake_elsewhere(Event::READ, &mut woken);
        assert_eq!(woken.len(), 1, "who waits for room is woken");
        assert_eq!(write(full()), (false, 1), "once");
        assert_eq!(write(full()), (false, 0));
        readiness.note(Event::READ, &mut woken);
        assert_eq!(write(Ok(Progress::Done(()))), (true, 1));
    }

    #[test]
    fn a_count_that_wraps_round_does_not_look_spent() {
        let direction = Direction::default();
        direction.spent.store(u32::MAX, Ordering::Relaxed);
        direction.events.store(u32::MAX - 1, Ordering::Relaxed);
        direction.note();
        assert!(direction.is_ready(direction.events.load(Ordering::Relaxed)));
    }
}
