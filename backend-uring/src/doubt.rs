//! What is believed, and looked at a moment later.
//!
//! A read stops short at an out-of-band byte, with more behind it (case 107). Epoll tells of such a
//! byte. A multishot poll can't: it reports what the wake-up was called with, and every message
//! wakes with POLLPRI. So short reads are believed to have emptied the queue. And a multishot receive
//! is believed to tell of the end of the stream, which it can miss if the end comes together with data
//! (ADR 0024). The first doubt starts a time after which everyone who gave rise to one since is looked
//! at, by one `poll(2)` for many (ADR 0021).

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use io_uring::types::Timespec;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use transport_core::SharedFd;
use transport_core::reactor::{Event, Token, WeakFd};

/// How many sources one `poll(2)` asks about.
const AT_ONCE: usize = 8;

/// How many are asked about at a time, so that a driver of many neither stands still nor spends a
/// percent of its time on this.
const AT_A_TIME: usize = 256;

/// How long bytes behind an out-of-band one, or an end, may be overlooked, if the peer sends nothing
/// else, and no more are in doubt than are asked about at a time.
pub(crate) static SETTLED_AFTER: Timespec = Timespec::new().nsec(20_000_000);

/// What came into doubt since this was last settled.
pub(crate) struct Doubts {
    /// Names those that are noted together; never 0. Written under the lock.
    round: AtomicU32,
    noted: Mutex<Noted>,
}

struct Noted {
    doubts: Vec<(Doubt, WeakFd)>,
    /// A timeout is on its way.
    is_timed: bool,
}

/// What is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Whether a source, whose last read was short, can't be read.
    Drained(Token),
    /// Whether a slot's stream, of which something was received, has not ended yet.
    Unended(Token),
}

impl Doubt {
    /// What would show that it was justified.
    fn asks(self) -> PollFlags {
        match self {
            Doubt::Drained(_) => PollFlags::POLLIN,
            Doubt::Unended(_) => PollFlags::from_bits_retain(libc::POLLRDHUP),
        }
    }
}

impl Default for Doubts {
    fn default() -> Doubts {
        let noted = Noted { doubts: Vec::with_capacity(AT_A_TIME), is_timed: false };
        Doubts { round: AtomicU32::new(1), noted: Mutex::new(noted) }
    }
}

impl Doubts {
    /// Notes a doubt, after what gave rise to it. `round` is that in which it was last noted, 0 at
    /// first. Answers whether the caller must start the timeout.
    #[inline]
    pub(crate) fn note(&self, doubt: Doubt, fd: &SharedFd, round: &AtomicU32) -> bool {
        let now = self.round.load(Ordering::Acquire);
        // If that round is being settled, it is asked about after this.
        round.load(Ordering::Relaxed) != now && self.note_in(now, doubt, fd, round)
    }

    fn note_in(&self, now: u32, doubt: Doubt, fd: &SharedFd, round: &AtomicU32) -> bool {
        round.store(now, Ordering::Relaxed);
        let mut noted = self.lock();
        noted.doubts.push((doubt, fd.downgrade()));
        !std::mem::replace(&mut noted.is_timed, true)
    }

    /// When the timeout is over: asks the kernel about [`AT_A_TIME`] of those that were noted and are
    /// still open; sources that can be read all the same go into `events`, slots whose streams have
    /// ended into `ended`. A round ends when all of the one before were asked about. Answers whether
    /// the caller must start another timeout, for the others.
    pub(crate) fn settle(
        &self,
        settling: &mut Settling,
        events: &mut Vec<(Token, Event)>,
        ended: &mut Vec<Token>,
    ) -> bool {
        let Settling { taken, open } = settling;
        if taken.is_empty() {
            let mut noted = self.lock();
            let next = self.round.load(Ordering::Relaxed).wrapping_add(1).max(1);
            self.round.store(next, Ordering::Release);
            std::mem::swap(&mut noted.doubts, taken);
        }
        // Those that are closed by now are no burden, however many come and go.
        while open.len() < AT_A_TIME
            && let Some((doubt, fd)) = taken.pop()
        {
            open.extend(fd.upgrade().map(|fd| (doubt, fd)));
        }
        for open in open.chunks(AT_ONCE) {
            let mut asked: [PollFd<'_>; AT_ONCE] = std::array::from_fn(|at| {
                // What is beyond the chunk's end is not asked about.
                let (doubt, fd) = &open[at.min(open.len() - 1)];
                PollFd::new(fd.as_fd(), doubt.asks())
            });
            let asked = &mut asked[..open.len()];
            let is_answered = poll(asked, PollTimeout::ZERO).is_ok();
            // Without an answer each must look for itself; POLLRDHUP is unknown to `any`.
            let justified =
                open.iter().zip(asked).filter(|(_, fd)| !is_answered || fd.any() != Some(false));
            for ((doubt, _), _) in justified {
                match *doubt {
                    Doubt::Drained(source) => events.push((source, Event::READ)),
                    Doubt::Unended(slot) => ended.push(slot),
                }
            }
        }
        open.clear();
        let mut noted = self.lock();
        noted.is_timed = !taken.is_empty() || !noted.doubts.is_empty();
        noted.is_timed
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        // Nothing inside panics.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a driver has of it.
pub(crate) struct Settling {
    /// Those of the last round that were not asked about yet.
    taken: Vec<(Doubt, WeakFd)>,
    /// Kept for its memory.
    open: Vec<(Doubt, SharedFd)>,
}

impl Default for Settling {
    /// With memory from the beginning, so that none is allocated when something is first settled.
    fn default() -> Settling {
        Settling { taken: Vec::with_capacity(AT_A_TIME), open: Vec::with_capacity(AT_A_TIME) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_source_is_asked_about_once_and_told_if_it_can_be_read() {
        let (mut peer, socket) = UnixStream::pair().expect("two descriptors");
        let fd = SharedFd::new(socket.into());
        let (doubts, noted, token) = (Doubts::default(), AtomicU32::new(0), Token::new(0, 1));
        let doubt = Doubt::Drained(token);
        let (mut settling, mut events) = (Settling::default(), Vec::new());
        assert!(doubts.note(doubt, &fd, &noted), "a timeout must begin");
        assert!(!doubts.note(doubt, &fd, &noted), "it is known");
        assert!(!doubts.note(doubt, &fd, &AtomicU32::new(0)), "it has begun");
        assert!(
            !doubts.settle(&mut settling, &mut events, &mut Vec::new()),
            "no other timeout is needed"
        );
        assert!(events.is_empty(), "its queue is empty");
        peer.write_all(b"left").expect("connected");
        assert!(doubts.note(doubt, &fd, &noted), "another must begin");
        doubts.settle(&mut settling, &mut events, &mut Vec::new());
        assert!(events.iter().any(|(told, event)| *told == token && event.contains(Event::READ)));
        let seen = fd.downgrade();
        drop(fd);
        assert!(seen.is_closed(), "nothing else keeps it open");
    }

    #[test]
    fn only_the_end_of_the_stream_ends_a_receive() {
        let (mut peer, socket) = UnixStream::pair().expect("two descriptors");
        let fd = SharedFd::new(socket.into());
        let (doubts, token) = (Doubts::default(), Token::new(0, 1));
        let (mut settling, mut ended) = (Settling::default(), Vec::new());
        let mut settle = || {
            doubts.note(Doubt::Unended(token), &fd, &AtomicU32::new(0));
            doubts.settle(&mut settling, &mut Vec::new(), &mut ended);
            std::mem::take(&mut ended)
        };
        peer.write_all(b"more").expect("connected");
        assert_eq!(settle(), []);
        peer.shutdown(std::net::Shutdown::Write).expect("connected");
        assert_eq!(settle(), [token]);
    }

    #[test]
    fn many_are_settled_in_turns() {
        let (mut peer, socket) = UnixStream::pair().expect("two descriptors");
        peer.write_all(b"left").expect("connected");
        let fd = SharedFd::new(socket.into());
        let (doubts, mut settling) = (Doubts::default(), Settling::default());
        let sources: Vec<AtomicU32> = (0..=AT_A_TIME).map(|_| AtomicU32::new(0)).collect();
        let note =
            |place: usize| doubts.note(Doubt::Drained(Token::new(place, 1)), &fd, &sources[place]);
        (0..=AT_A_TIME).for_each(|place| assert_eq!(note(place), place == 0));
        let mut told = Vec::new();
        assert!(
            doubts.settle(&mut settling, &mut told, &mut Vec::new()),
            "the rest needs another timeout"
        );
        assert_eq!(told.len(), AT_A_TIME);
        // It is noted again, and asked about after the rest.
        assert!(!note(1), "a timeout is on its way");
        assert!(doubts.settle(&mut settling, &mut told, &mut Vec::new()));
        assert_eq!(told.len(), AT_A_TIME + 1);
        assert!(!doubts.settle(&mut settling, &mut told, &mut Vec::new()));
        assert_eq!(told.len(), AT_A_TIME + 2);
        assert!(note(2), "there is none on its way");
    }

    #[test]
    fn those_who_are_gone_do_not_delay_the_others() {
        let (mut peer, socket) = UnixStream::pair().expect("two descriptors");
        peer.write_all(b"left").expect("connected");
        let fd = SharedFd::new(socket.into());
        let (doubts, mut told) = (Doubts::default(), Vec::new());
        let note = |fd: &SharedFd, place: usize| {
            doubts.note(Doubt::Drained(Token::new(place, 1)), fd, &AtomicU32::new(0))
        };
        note(&fd, 0);
        for place in 1..3 * AT_A_TIME {
            let (_, gone) = UnixStream::pair().expect("two descriptors");
            note(&SharedFd::new(gone.into()), place);
        }
        assert!(!doubts.settle(&mut Settling::default(), &mut told, &mut Vec::new()));
        assert_eq!(told.len(), 1);
    }

    #[test]
    fn the_rounds_begin_again_without_the_one_that_is_none() {
        let (_, socket) = UnixStream::pair().expect("two descriptors");
        let fd = SharedFd::new(socket.into());
        let doubts = Doubts { round: AtomicU32::new(u32::MAX), ..Doubts::default() };
        doubts.settle(&mut Settling::default(), &mut Vec::new(), &mut Vec::new());
        assert!(
            doubts.note(Doubt::Unended(Token::new(0, 1)), &fd, &AtomicU32::new(0)),
            "a new source is noted"
        );
    }
}
