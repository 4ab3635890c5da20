//! The reactor: registering descriptors, and waiting for one with cached readiness.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use transport_core::reactor::{CachedReadiness, Registry, Token};
use transport_core::timers::Sleep;
use transport_core::unparker::Parker;
use transport_core::{Closer, Interest, Progress, Reactor, SharedFd, Source, Timers};

/// What is told of every socket, once each time it happens (`epoll(7)`); its end is always told.
const EVENTS: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLPRI)
    .union(EpollFlags::EPOLLET);

/// What is told of one whose writer has waited. Not before: a stream socket becomes writable, to
/// epoll, with each message that its peer takes out, and nobody would want to know.
const EVENTS_OF_A_WRITER: EpollFlags = EVENTS.union(EpollFlags::EPOLLOUT);

/// What is told of a listener to one of those who watch it; more is not allowed with this flag.
const EVENTS_TO_WAKE_ONE: EpollFlags =
    EpollFlags::EPOLLIN.union(EpollFlags::EPOLLEXCLUSIVE).union(EpollFlags::EPOLLET);

/// No source has this token.
pub(crate) const UNPARK: u64 = u64::MAX;

/// What the driver, the reactors and the sources share.
pub(crate) struct Shared {
    pub(crate) epoll: Epoll,
    pub(crate) registry: Registry<()>,
    pub(crate) parker: Arc<Parker>,
    pub(crate) timers: Timers,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Arc<Shared>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let parker = Parker::new()?;
        // Edge-triggered, so that its count never needs to be read.
        let unpark = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, UNPARK);
        epoll.add(parker.as_fd(), unpark)?;
        let timers = Timers::new(parker.unparker());
        Ok(Arc::new(Shared { epoll, registry: Registry::default(), parker, timers }))
    }
}

/// Watches descriptors for an [`EpollDriver`](crate::EpollDriver).
#[derive(Clone)]
pub struct EpollReactor {
    pub(crate) shared: Arc<Shared>,
}

impl EpollReactor {
    fn watch(&self, fd: SharedFd, wakes_one: bool) -> io::Result<EpollSource> {
        let events = if wakes_one { EVENTS_TO_WAKE_ONE } else { EVENTS };
        let (token, readiness) = self.shared.registry.insert(())?;
        if let Err(errno) = self.shared.epoll.add(&fd, EpollEvent::new(events, token.bits())) {
            self.shared.registry.remove(token);
            return Err(errno.into());
        }
        let shared = Arc::clone(&self.shared);
        let [was_lent, had_its_turn] = [const { AtomicBool::new(false) }; 2];
        Ok(EpollSource { fd, readiness, token, shared, was_lent, wakes_one, had_its_turn })
    }
}

impl Reactor for EpollReactor {
    type Source = EpollSource;
    type Sleep = Sleep;

    fn register(&self, fd: SharedFd) -> io::Result<EpollSource> {
        self.watch(fd, false)
    }

    fn register_listener(&self, fd: SharedFd, wakes_one: bool) -> io::Result<EpollSource> {
        self.watch(fd, wakes_one)
    }

    fn sleep(&self, until: Instant) -> Sleep {
        self.shared.timers.sleep(until)
    }

    fn is_ended(&self) -> bool {
        self.shared.registry.is_ended()
    }

    fn close_at_end(&self, closer: Closer) {
        self.shared.registry.close_at_end(closer);
    }
}

impl fmt::Debug for EpollReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpollReactor").field("epoll", &self.shared.epoll).finish_non_exhaustive()
    }
}

/// A descriptor that epoll watches.
pub struct EpollSource {
    fd: SharedFd,
    readiness: Arc<CachedReadiness>,
    token: Token,
    shared: Arc<Shared>,
    /// Somebody had the descriptor, and may have duplicated it.
    was_lent: AtomicBool,
    wakes_one: bool,
    /// Woken one by one with others, it got something since it last waited.
    had_its_turn: AtomicBool,
}

impl EpollSource {
    /// Asks to be told of room, once somebody waits for it.
    fn ask(&self, interest: Interest) {
        if interest == Interest::Write && !self.readiness.is_asked(interest) {
            self.readiness.ask(interest);
            let mut event = EpollEvent::new(EVENTS_OF_A_WRITER, self.token.bits());
            // ENOENT means that the watch has ended. Nothing else can be wrong with it.
            _ = self.shared.epoll.modify(&self.fd, &mut event);
        }
    }

    /// [`Source::poll_io`] for one of those who watch a listener and are woken one by one.
    #[inline(never)]
    fn poll_in_turn<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        attempt: impl FnMut() -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        let unwatched = Cell::new(None);
        let arm = || {
            if self.had_its_turn.load(Ordering::Relaxed) {
                unwatched.set(self.queue_up().err());
            }
        };
        let answer = self.readiness.poll_io(cx, interest, attempt, arm);
        if matches!(answer, Poll::Ready(Ok(_))) {
            self.had_its_turn.store(true, Ordering::Relaxed);
        }
        // Nothing would be told: the next poll tries again.
        match unwatched.take() {
            Some(error) if answer.is_pending() => Poll::Ready(Err(error)),
            _ => answer,
        }
    }

    /// Goes behind the others who watch: the kernel wakes the first in the queue, which would always
    /// be the same. What comes meanwhile is told by the new watch.
    fn queue_up(&self) -> io::Result<()> {
        self.end_watch();
        let event = EpollEvent::new(EVENTS_TO_WAKE_ONE, self.token.bits());
        self.shared.epoll.add(&self.fd, event)?;
        self.had_its_turn.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl Source for EpollSource {
    /// The watch is of the number's present socket; after that number stands for another, the
    /// kernel would not find it any more.
    fn end_watch(&self) {
        // ENOENT means that it has ended already.
        _ = self.shared.epoll.delete(&self.fd);
    }

    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        let attempt = || attempt(self.fd.as_fd());
        match self.wakes_one {
            true => self.poll_in_turn(cx, interest, attempt),
            false => self.readiness.poll_io(cx, interest, attempt, || self.ask(interest)),
        }
    }
}

impl AsFd for EpollSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.was_lent.store(true, Ordering::Relaxed);
        self.fd.as_fd()
    }
}

impl Drop for EpollSource {
    fn drop(&mut self) {
        self.shared.registry.remove(self.token);
        // The kernel ends a watch when the last duplicate of its descriptor is closed, which for most
        // is now, and spares a call.
        if *self.was_lent.get_mut() || !self.fd.closes_socket() {
            self.end_watch();
        }
    }
}

impl fmt::Debug for EpollSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpollSource").field("fd", &self.fd).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use transport_core::{AdoptOptions, Readiness, Transport as _};

    use super::*;

    fn reactor() -> EpollReactor {
        EpollReactor { shared: Shared::new().expect("epoll") }
    }

    /// A descriptor, and its peer.
    fn pair() -> (OwnedFd, UnixStream) {
        let (one, other) = UnixStream::pair().expect("a pair");
        one.set_nonblocking(true).expect("set");
        (one.into(), other)
    }

    /// How many descriptors the kernel watches, beside the unparker's.
    fn watches(reactor: &EpollReactor) -> usize {
        let epoll = reactor.shared.epoll.0.as_raw_fd();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{epoll}")).expect("it is open");
        info.lines().filter(|line| line.starts_with("tfd:")).count() - 1
    }

    #[test]
    fn a_watch_ends_with_its_socket() {
        let (reactor, (fd, _peer)) = (reactor(), pair());
        let source = reactor.register(SharedFd::of_new_socket(fd)).expect("registered");
        assert_eq!(watches(&reactor), 1);
        drop(source);
        assert_eq!(watches(&reactor), 0);
    }

    #[test]
    fn a_watch_ends_before_a_duplicate_of_its_descriptor() {
        let (reactor, (fd, _peer)) = (reactor(), pair());
        let before = fd.try_clone().expect("a duplicate");
        drop(reactor.register(SharedFd::new(fd)).expect("registered"));
        assert_eq!(watches(&reactor), 0);
        let source = reactor.register(SharedFd::of_new_socket(before)).expect("registered");
        let meanwhile = source.as_fd().try_clone_to_owned().expect("a duplicate");
        drop(source);
        assert_eq!(watches(&reactor), 0);
        drop(meanwhile);
    }

    #[test]
    fn a_watch_ends_before_another_owner_of_its_descriptor() {
        let (reactor, (fd, _peer)) = (reactor(), pair());
        let fd = SharedFd::of_new_socket(fd);
        let weak = fd.downgrade();
        drop(reactor.register(fd.clone()).expect("registered"));
        assert_eq!(watches(&reactor), 0);
        let source = reactor.register(fd).expect("registered");
        let owner = weak.upgrade().expect("open");
        drop(source);
        assert_eq!(watches(&reactor), 0);
        drop(owner);
    }

    #[test]
    fn a_watch_ends_before_the_duplicates_of_an_adopted_connection() {
        let (reactor, (fd, _peer)) = (reactor(), pair());
        let transport = Readiness::new(reactor.clone());
        let before = fd.try_clone().expect("a duplicate");
        let connection = transport.adopt_connection(fd, &AdoptOptions::new()).expect("adopted");
        assert_eq!(watches(&reactor), 1);
        drop(connection);
        assert_eq!(watches(&reactor), 0);
        drop(before);
    }
}
