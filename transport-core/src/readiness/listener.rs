//! A listener over readiness.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{self, Poll, ready};
use std::time::Instant;

use crate::address::{Address, PeerAddress};
use crate::closer::Closer;
use crate::error::{closed, is_transient};
use crate::reactor::{Interest, Progress, Reactor, SharedFd, Source};
use crate::readiness::connection::{self, ReadyConnection};
use crate::readiness::short_reads::History;
use crate::readiness::{Context, Deadline};
use crate::socket::listener::{Phase, Waiter, Watch, take_queued};
use crate::socket::{self, Backoff, ListenerState, Mode, accept::is_retried};
use crate::transport::Listener;

/// One handle of a listener.
pub struct ReadyListener<R: Reactor> {
    source: Arc<Watched<R::Source>>,
    waiter: Waiter,
    deadline: Deadline<R>,
    /// After an accept failed for want of a resource: how long, and the pause itself.
    backoff: Option<(Backoff, R::Sleep)>,
    context: Arc<Context<R>>,
}

/// A source that the listener's closing can reach.
struct Watched<S>(S);

impl<S: Source> Watch for Watched<S> {
    fn end(&self) {
        self.0.end_watch();
    }
}

impl<R: Reactor> ReadyListener<R> {
    pub(crate) fn new(
        context: Arc<Context<R>>,
        state: Arc<ListenerState>,
        fd: SharedFd,
    ) -> io::Result<ReadyListener<R>> {
        let source = context.reactor.register_listener(fd, state.wakes_one())?;
        let source = Arc::new(Watched(source));
        let watch: Weak<dyn Watch> = Arc::downgrade(&source) as Weak<dyn Watch>;
        let waiter = Waiter::new(state, Some(watch));
        // Closing before that did not see the watch.
        if waiter.state().phase() == Phase::Closed {
            return Err(closed());
        }
        Ok(ReadyListener { source, waiter, deadline: Deadline::default(), backoff: None, context })
    }

    /// What this handle shares with the others.
    #[must_use]
    pub fn state(&self) -> &Arc<ListenerState> {
        self.waiter.state()
    }

    fn poll_accept_descriptor(
        &mut self,
        cx: &mut task::Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, PeerAddress)>> {
        match self.poll_take(cx) {
            Poll::Pending => {
                let Self { deadline, source, context, .. } = self;
                deadline.poll_or_attempt(cx, &context.reactor, || {
                    let accepted = socket::accept(source.0.as_fd(), Mode::NonBlocking);
                    // The deadline is the news; what else fails now fails the next accept too.
                    accepted.map(Progress::Done).map_err(|_| io::ErrorKind::WouldBlock.into())
                })
            }
            Poll::Ready(Err(e)) if is_transient(&e) => {
                self.pause_next();
                Poll::Ready(Err(e))
            }
            Poll::Ready(accepted) => {
                if accepted.is_ok() {
                    self.backoff = None;
                }
                Poll::Ready(accepted)
            }
        }
    }

    fn poll_take(
        &mut self,
        cx: &mut task::Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, PeerAddress)>> {
        loop {
            let phase = self.state().phase();
            let answer = match phase {
                Phase::Closed => return Poll::Ready(Err(closed())),
                phase => self.poll_attempt(cx, phase),
            };
            match answer {
                Poll::Ready(Err(e)) if is_retried(&e) => {}
                // Closing and draining make the call fail; the new phase says which it was.
                Poll::Ready(Err(_)) if self.state().phase() != phase => {}
                Poll::Pending => {
                    self.waiter.register(cx.waker());
                    // It may have changed before there was a waker to wake.
                    if self.state().phase() == phase {
                        return Poll::Pending;
                    }
                }
                ready => return ready,
            }
        }
    }

    fn poll_attempt(
        &mut self,
        cx: &mut task::Context<'_>,
        phase: Phase,
    ) -> Poll<io::Result<(OwnedFd, PeerAddress)>> {
        if let Some((_, pause)) = &mut self.backoff {
            ready!(Pin::new(pause).poll(cx));
        }
        if phase == Phase::Draining {
            let queued = take_queued(self.state(), Mode::NonBlocking);
            return Poll::Ready(queued.and_then(|next| next.ok_or_else(closed)));
        }
        self.source.0.poll_io(cx, Interest::Read, |fd| {
            socket::accept(fd, Mode::NonBlocking).map(Progress::Done)
        })
    }

    /// Keeps the next accept from trying at once, longer each time (rule L6).
    fn pause_next(&mut self) {
        let mut backoff = self.backoff.take().map_or_else(Backoff::accept, |(backoff, _)| backoff);
        let until = Instant::now() + backoff.pause();
        self.backoff = Some((backoff, self.context.reactor.sleep(until)));
    }
}

impl<R: Reactor> Listener for ReadyListener<R> {
    type Connection = ReadyConnection<R>;

    fn poll_accept(
        &mut self,
        cx: &mut task::Context<'_>,
    ) -> Poll<io::Result<(ReadyConnection<R>, PeerAddress)>> {
        let (fd, peer) = ready!(self.poll_accept_descriptor(cx))?;
        let descriptors = self.state().descriptors();
        let fd = SharedFd::of_new_socket(fd);
        let history = if self.state().is_adopted() { History::Unknown } else { History::Known };
        let connection = connection::connect(Arc::clone(&self.context), fd, descriptors, history)?;
        Poll::Ready(Ok((connection, peer)))
    }

    fn poll_acceptable(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.waiter.register(cx.waker());
        if self.state().phase() != Phase::Open {
            return Poll::Ready(Ok(()));
        }
        let look = |fd: BorrowedFd<'_>| match socket::is_readable(fd)? {
            true => Ok(Progress::Done(())),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        let Self { deadline, source, context, .. } = self;
        match source.0.poll_io(cx, Interest::Read, look) {
            Poll::Pending => {
                deadline.poll_or_attempt(cx, &context.reactor, || look(source.0.as_fd()))
            }
            ready => ready,
        }
    }

    fn set_accept_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    fn local_address(&self) -> &Address {
        self.state().address()
    }

    fn closer(&self) -> Closer {
        self.state().closer()
    }
}

impl<R: Reactor> fmt::Debug for ReadyListener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyListener").field("state", self.state()).finish_non_exhaustive()
    }
}
