//! A descriptor that the reactor of a host watches: what all hosts have in common.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{PoisonError, RwLock};
use std::task::{Context, Poll, ready};

use transport_core::reactor::Streak;
use transport_core::{Interest, Progress, SharedFd, Source};

/// How the host's reactor watches one descriptor.
pub trait Watch: Send + Sync + 'static {
    /// That the descriptor may be ready.
    type Ready<'a>;

    /// Waits until the descriptor may be ready. It may be at first, without being watched.
    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<io::Result<Self::Ready<'_>>>;

    /// Forgets what [`poll_ready`](Self::poll_ready) answered: an attempt that was made since then
    /// left nothing to do.
    fn forget(&self, ready: Self::Ready<'_>, interest: Interest);

    /// Whether a short read left nothing to do ([`Source::poll_io`]).
    fn is_drained(&self) -> bool;
}

/// A descriptor that the host's reactor watches.
pub struct HostedSource<W> {
    fd: SharedFd,
    watch: Lasting<W>,
    reading: Streak,
    writing: Streak,
}

/// How long a watch lasts.
enum Lasting<W> {
    /// As long as its source: a connection's.
    Always(W),
    /// Until the listener is closed, which then wakes its waiters itself. What is watched is a
    /// duplicate of the descriptor, because the descriptor stands for something else from then on.
    UntilClosed(RwLock<Option<W>>),
}

impl<W: Watch> HostedSource<W> {
    pub(super) fn connection(
        fd: SharedFd,
        watch: impl FnOnce(SharedFd) -> io::Result<W>,
    ) -> io::Result<Self> {
        let watch = Lasting::Always(watch(SharedFd::clone(&fd))?);
        Ok(HostedSource { fd, watch, reading: Streak::default(), writing: Streak::default() })
    }

    pub(super) fn listener(
        fd: SharedFd,
        watch: impl FnOnce(SharedFd) -> io::Result<W>,
    ) -> io::Result<Self> {
        let watch = watch(SharedFd::new(fd.as_fd().try_clone_to_owned()?))?;
        let watch = Lasting::UntilClosed(RwLock::new(Some(watch)));
        Ok(HostedSource { fd, watch, reading: Streak::default(), writing: Streak::default() })
    }

    fn poll_attempt<T>(
        &self,
        watch: &W,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        let streak = match interest {
            Interest::Read => &self.reading,
            Interest::Write => &self.writing,
        };
        let successes = ready!(streak.poll_begin(cx));
        loop {
            let ready = ready!(watch.poll_ready(cx, interest))?;
            match attempt(self.fd.as_fd()) {
                Ok(Progress::Drained(value))
                    if interest == Interest::Write || watch.is_drained() =>
                {
                    watch.forget(ready, interest);
                    return Poll::Ready(Ok(value));
                }
                Ok(Progress::Done(value) | Progress::Drained(value)) => {
                    streak.go_on(successes);
                    return Poll::Ready(Ok(value));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => watch.forget(ready, interest),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl<W: Watch> Source for HostedSource<W> {
    fn end_watch(&self) {
        if let Lasting::UntilClosed(watch) = &self.watch {
            let ended = watch.write().unwrap_or_else(PoisonError::into_inner).take();
            // Foreign code runs now, outside the lock.
            drop(ended);
        }
    }

    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        match &self.watch {
            Lasting::Always(watch) => self.poll_attempt(watch, cx, interest, attempt),
            Lasting::UntilClosed(watch) => {
                match &*watch.read().unwrap_or_else(PoisonError::into_inner) {
                    Some(watch) => self.poll_attempt(watch, cx, interest, attempt),
                    None => Poll::Pending,
                }
            }
        }
    }
}

impl<W> AsFd for HostedSource<W> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<W> fmt::Debug for HostedSource<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedSource").field("fd", &self.fd).finish_non_exhaustive()
    }
}
