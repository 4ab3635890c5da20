//! A backend of your own, over `poll(2)`. Core's [`Readiness`] has the semantics of listeners and
//! connections; what a backend must add is how to wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll as Polled, Waker};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use unix_transport::reactor::{CachedReadiness, Event, Registry, Token};
use unix_transport::{
    Availability, Backend, Closer, Driver, Error, Interest, Progress, Reactor, Readiness, Settings,
    SharedFd, Source, Timers, Unparker, timers::Sleep, unparker::Parker,
};

/// The backend.
pub(crate) struct Poll;

impl Backend for Poll {
    const NAME: &'static str = "poll";
    type Transport = Readiness<PollReactor>;
    type Driver = PollDriver;

    fn probe() -> Availability {
        Availability::Yes("poll(2) is everywhere".to_owned())
    }
    fn open(_: &Settings) -> unix_transport::Result<(Readiness<PollReactor>, PollDriver)> {
        let parker = Parker::new().map_err(|e| Error::new("open poll", None, e))?;
        let timers = Timers::new(parker.unparker());
        let reactor = PollReactor { registry: Arc::default(), parker, timers };
        Ok((Readiness::new(reactor.clone()), PollDriver(reactor)))
    }
}

/// Takes descriptors in.
#[derive(Clone)]
pub(crate) struct PollReactor {
    registry: Arc<Registry<SharedFd>>,
    parker: Arc<Parker>,
    timers: Timers,
}

impl Reactor for PollReactor {
    type Source = PollSource;
    type Sleep = Sleep;

    fn register(&self, fd: SharedFd) -> io::Result<PollSource> {
        let (token, readiness) = self.registry.insert(SharedFd::clone(&fd))?;
        Ok(PollSource { fd, readiness, token, reactor: self.clone() })
    }
    fn sleep(&self, until: Instant) -> Sleep {
        self.timers.sleep(until)
    }
    fn is_ended(&self) -> bool {
        self.registry.is_ended()
    }
    fn close_at_end(&self, closer: Closer) {
        self.registry.close_at_end(closer);
    }
}

/// A descriptor that the kernel is asked about while somebody waits for it.
pub(crate) struct PollSource {
    fd: SharedFd,
    readiness: Arc<CachedReadiness>,
    token: Token,
    reactor: PollReactor,
}

impl Source for PollSource {
    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Polled<io::Result<T>> {
        // A driver that sleeps on another thread has to ask again, now also about this.
        let arm = || self.reactor.parker.unparker().nudge();
        self.readiness.poll_io(cx, interest, || attempt(self.fd.as_fd()), arm)
    }
}

impl AsFd for PollSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for PollSource {
    fn drop(&mut self) {
        self.reactor.registry.remove(self.token);
        // A driver that sleeps on another thread holds the descriptor open.
        self.reactor.parker.unparker().nudge();
    }
}

/// Waits for what an attempt found not to be ready. Level-triggered: leftovers are told again.
pub(crate) struct PollDriver(PollReactor);

impl Driver for PollDriver {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        let PollReactor { registry, parker, timers } = &self.0;
        let limit = parker.wait_limit(at_most, timers);
        let timeout = limit.map_or(PollTimeout::NONE, |limit| {
            let milliseconds = limit.as_nanos().div_ceil(1_000_000);
            PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
        });
        let mut sources = Vec::new();
        registry.for_each(|token, fd, readiness| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, readiness.is_awaited(Interest::Read));
            flags.set(PollFlags::POLLOUT, readiness.is_awaited(Interest::Write));
            sources.push((token, SharedFd::clone(fd), flags));
        });
        // Without flags the kernel would still tell of a hangup, again and again.
        sources.retain(|(.., flags)| !flags.is_empty());
        let mut asked = vec![PollFd::new(parker.as_fd(), PollFlags::POLLIN)];
        asked.extend(sources.iter().map(|(_, fd, flags)| PollFd::new(fd.as_fd(), *flags)));
        let answer = poll(&mut asked, timeout);
        parker.wake_up_after(limit);
        parker.reset_event();
        answer.or_else(|errno| if errno == Errno::EINTR { Ok(0) } else { Err(errno) })?;
        let answers = sources.iter().zip(&asked[1..]).filter(|(_, fd)| fd.any() == Some(true));
        let events = answers.map(|((token, ..), fd)| {
            let said = fd.revents().map_or(0, |answer| answer.bits().cast_unsigned().into());
            (*token, Event::from_bits_truncate(said))
        });
        let mut woken = Vec::new();
        registry.note(events, &mut woken);
        woken.iter().for_each(Waker::wake_by_ref);
        Ok(woken.len() + timers.fire())
    }
    fn unparker(&self) -> Unparker {
        self.0.parker.unparker()
    }
    fn timers(&self) -> &Timers {
        &self.0.timers
    }
}

impl Drop for PollDriver {
    fn drop(&mut self) {
        self.0.registry.end();
        self.0.timers.end();
    }
}
