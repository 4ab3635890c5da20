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
        let (shared, turn) = (Arc::clone(&self.shared), AtomicBool::new(false));
        Ok(EpollSource { fd, readiness, token, shared, wakes_one, had_its_turn: turn })
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
    wakes_one: bool,
    /// Woken one by one with others, it got something since it last waited.
    had_its_turn: AtomicBool,
}

impl EpollSource {
    /// Asks to be told of room, once somebody waits for it.
    fn ask(&self, interest: Interest) {
        if interest == Interest::Write && self.readiness.ask(interest) {
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
        self.fd.as_fd()
    }
}

impl Drop for EpollSource {
    fn drop(&mut self) {
        self.shared.registry.remove(self.token);
        // A duplicate of the descriptor elsewhere would keep the watch alive.
        self.end_watch();
    }
}

impl fmt::Debug for EpollSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpollSource").field("fd", &self.fd).finish_non_exhaustive()
    }
}
