//! The reactor: which descriptors the driver must ask `ppoll(2)` about.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use transport_core::reactor::{CachedReadiness, Registry, Token};
use transport_core::timers::Sleep;
use transport_core::unparker::Parker;
use transport_core::{Closer, Interest, Progress, Reactor, SharedFd, Source, Timers};

/// What the driver, the reactors and the sources share.
pub(crate) struct Shared {
    pub(crate) registry: Registry<SharedFd>,
    pub(crate) parker: Arc<Parker>,
    pub(crate) timers: Timers,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Arc<Shared>> {
        let parker = Parker::new()?;
        let timers = Timers::new(parker.unparker());
        Ok(Arc::new(Shared { registry: Registry::default(), parker, timers }))
    }
}

/// Watches descriptors for a [`ParkDriver`](crate::ParkDriver).
#[derive(Clone)]
pub struct ParkReactor {
    pub(crate) shared: Arc<Shared>,
}

impl Reactor for ParkReactor {
    type Source = ParkSource;
    type Sleep = Sleep;

    fn register(&self, fd: SharedFd) -> io::Result<ParkSource> {
        let (token, readiness) = self.shared.registry.insert(SharedFd::clone(&fd))?;
        Ok(ParkSource { fd, readiness, token, shared: Arc::clone(&self.shared) })
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

impl fmt::Debug for ParkReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParkReactor").finish_non_exhaustive()
    }
}

/// A descriptor that is asked about while somebody waits for it.
pub struct ParkSource {
    fd: SharedFd,
    readiness: Arc<CachedReadiness>,
    token: Token,
    shared: Arc<Shared>,
}

impl Source for ParkSource {
    /// A driver that sleeps on another thread holds the socket open.
    fn end_watch(&self) {
        self.shared.parker.unparker().nudge();
    }

    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        // A driver that sleeps on another thread does not ask about this descriptor yet.
        let arm = || self.shared.parker.unparker().nudge();
        self.readiness.poll_io(cx, interest, || attempt(self.fd.as_fd()), arm)
    }
}

impl AsFd for ParkSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for ParkSource {
    fn drop(&mut self) {
        self.shared.registry.remove(self.token);
        // A driver that sleeps on another thread holds the descriptor open.
        self.shared.parker.unparker().nudge();
    }
}

impl fmt::Debug for ParkSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParkSource").field("fd", &self.fd).finish_non_exhaustive()
    }
}
