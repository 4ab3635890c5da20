//! Whether a short read really emptied the queue: settled a moment later.
//!
//! A read stops short at an out-of-band byte, with more behind it (case 107). Epoll tells of such a
//! byte. A multishot poll can't: it reports what the wake-up was called with, and every message
//! wakes with POLLPRI. So short reads are believed, and the first one starts a time after which
//! everyone who had one since is looked at, by one `poll(2)` for many (ADR 0011).

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use io_uring::types::Timespec;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use transport_core::SharedFd;
use transport_core::reactor::{Event, Token, WeakFd};

/// How many sources one `poll(2)` asks about.
const AT_ONCE: usize = 8;

/// How long bytes behind an out-of-band one may be overlooked, if the peer sends nothing else.
pub(crate) static SETTLED_AFTER: Timespec = Timespec::new().nsec(20_000_000);

/// The sources that had a short read since this was last settled.
pub(crate) struct Doubts {
    /// How often it was settled, and one.
    round: AtomicU32,
    sources: Mutex<Vec<Doubt>>,
}

/// A source, without keeping its socket open.
type Doubt = (Token, WeakFd);

impl Default for Doubts {
    fn default() -> Doubts {
        Doubts { round: AtomicU32::new(1), sources: Mutex::default() }
    }
}

impl Doubts {
    /// Notes a source, after its read. `noted` is the round in which it was last noted, 0 at first.
    /// Answers whether it is the round's first, so that its time begins.
    pub(crate) fn note(&self, token: Token, fd: &SharedFd, noted: &AtomicU32) -> bool {
        let round = self.round.load(Ordering::Acquire);
        // If that round is being settled, it is asked about after this.
        if noted.load(Ordering::Relaxed) == round {
            return false;
        }
        noted.store(round, Ordering::Relaxed);
        let mut sources = self.lock();
        sources.push((token, fd.downgrade()));
        sources.len() == 1
    }

    /// Asks the kernel about all of them; those that can be read all the same go into `events`.
    pub(crate) fn settle(&self, settling: &mut Settling, events: &mut Vec<(Token, Event)>) {
        let mut sources = self.lock();
        self.round.fetch_add(1, Ordering::AcqRel);
        std::mem::swap(&mut *sources, &mut settling.taken);
        drop(sources);
        let open = settling.taken.drain(..).filter_map(|(token, fd)| Some((token, fd.upgrade()?)));
        settling.open.extend(open);
        for open in settling.open.chunks(AT_ONCE) {
            let mut asked: [PollFd<'_>; AT_ONCE] = std::array::from_fn(|at| {
                // What is beyond the chunk's end is not asked about.
                let (_, fd) = &open[at.min(open.len() - 1)];
                PollFd::new(fd.as_fd(), PollFlags::POLLIN)
            });
            let asked = &mut asked[..open.len()];
            let is_answered = poll(asked, PollTimeout::ZERO).is_ok();
            // Without an answer each must look for itself.
            let ready =
                open.iter().zip(asked).filter(|(_, fd)| !is_answered || fd.any() == Some(true));
            events.extend(ready.map(|((token, _), _)| (*token, Event::READ)));
        }
        settling.open.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Doubt>> {
        // Nothing inside panics.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What settling needs, kept for its memory.
#[derive(Default)]
pub(crate) struct Settling {
    taken: Vec<Doubt>,
    open: Vec<(Token, SharedFd)>,
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
        let (mut settling, mut events) = (Settling::default(), Vec::new());
        assert!(doubts.note(token, &fd, &noted), "its time begins");
        assert!(!doubts.note(token, &fd, &noted), "it is known");
        assert!(!doubts.note(token, &fd, &AtomicU32::new(0)), "the time has begun");
        doubts.settle(&mut settling, &mut events);
        assert!(events.is_empty(), "its queue is empty");
        peer.write_all(b"left").expect("connected");
        assert!(doubts.note(token, &fd, &noted), "its time begins again");
        doubts.settle(&mut settling, &mut events);
        assert!(events.iter().any(|(told, event)| *told == token && event.contains(Event::READ)));
        let seen = fd.downgrade();
        drop(fd);
        assert!(seen.is_closed(), "nothing else keeps it open");
    }
}
