//! The reading half of a connection over readiness.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Instant;

use crate::buffers;
use crate::chunk::Chunk;
use crate::closer::Closer;
use crate::cursor::ReadCursor;
use crate::descriptors::{self, Received};
use crate::duplex::ReadHalf;
use crate::error::unsupported;
use crate::reactor::{Interest, Progress, Reactor};
use crate::readiness::Deadline;
use crate::readiness::connection::Shared;
use crate::readiness::write::ReadyWriteHalf;
use crate::socket;
use crate::transport::PollRead;

/// The reading half. Dropping it after a split shuts the direction down.
pub struct ReadyReadHalf<R: Reactor> {
    shared: Arc<Shared<R>>,
    closes_on_drop: bool,
    deadline: Deadline<R>,
    /// Bytes that were received and could not be given out: those of a message whose descriptors
    /// were over the limit.
    held: Option<Box<Chunk>>,
}

impl<R: Reactor> ReadyReadHalf<R> {
    pub(super) fn new(shared: Arc<Shared<R>>) -> ReadyReadHalf<R> {
        let (deadline, held) = (Deadline::default(), None);
        ReadyReadHalf { shared, closes_on_drop: false, deadline, held }
    }

    /// What the reactor knows of the connection; both halves have the same.
    #[must_use]
    pub fn source(&self) -> &R::Source {
        self.shared.source()
    }

    /// An error once the connection was closed from elsewhere.
    ///
    /// # Errors
    /// [`closed`](crate::error::closed).
    pub fn check_open(&self) -> io::Result<()> {
        self.shared.check_open()
    }

    /// Whether owned receives by completion are possible: not where descriptors may arrive.
    #[must_use]
    pub fn takes_descriptors(&self) -> bool {
        self.shared.descriptor_limit > 0
    }

    /// To be polled when an operation of this direction waits elsewhere: the read deadline.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn poll_deadline<T>(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<T>> {
        self.deadline.poll(cx, &self.shared.context.reactor)
    }

    /// Whether dropping this half shuts its direction down, as it does after a split.
    #[must_use]
    pub fn closes_on_drop(&self) -> bool {
        self.closes_on_drop
    }

    /// The bytes received together with descriptors that were refused are given out first.
    fn read_held(&mut self, into: &mut ReadCursor<'_>) -> bool {
        let Some(held) = &mut self.held else { return false };
        let copied = into.put(held);
        held.advance(copied);
        if held.is_empty() {
            self.held = None;
        }
        copied > 0
    }

    fn poll_io<T>(
        &mut self,
        cx: &mut task::Context<'_>,
        mut attempt: impl FnMut(&Shared<R>, BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        let Self { shared, deadline, .. } = self;
        let mut attempt = |fd: BorrowedFd<'_>| attempt(shared, fd);
        match shared.poll_io(cx, Interest::Read, &mut attempt) {
            Poll::Pending => {
                deadline.poll_or_attempt(cx, &shared.context.reactor, || attempt(shared.as_fd()))
            }
            ready => ready,
        }
    }
}

impl<R: Reactor> PollRead for ReadyReadHalf<R> {
    fn poll_read(
        &mut self,
        cx: &mut task::Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 || self.read_held(into) {
            return Poll::Ready(Ok(()));
        }
        self.poll_io(cx, |shared, fd| {
            let room = into.remaining();
            let received = socket::receive(fd, into)?;
            Ok(shared.short_reads.progress(received, room, ()))
        })
    }

    fn poll_recv(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<Chunk>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Ok(*held));
        }
        self.poll_io(cx, |shared, fd| {
            let chunk = buffers::fill(|cursor| socket::receive(fd, cursor).map(drop))?;
            Ok(shared.short_reads.progress(chunk.len(), buffers::SIZE, chunk))
        })
    }

    fn poll_read_descriptors(
        &mut self,
        cx: &mut task::Context<'_>,
        into: &mut ReadCursor<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<()>> {
        let limit = self.shared.descriptor_limit;
        if limit == 0 {
            return Poll::Ready(Err(unsupported("descriptors are refused here")));
        }
        if into.remaining() == 0 || self.read_held(into) {
            return Poll::Ready(Ok(()));
        }
        let received = ready!(self.poll_io(cx, |_, fd| {
            descriptors::receive(fd, into, limit, descriptors).map(Progress::Done)
        }))?;
        match received {
            Received::Bytes(_) => Poll::Ready(Ok(())),
            Received::Refused { bytes, error } => {
                self.held = (!bytes.is_empty()).then(|| Box::new(bytes));
                Poll::Ready(Err(error))
            }
        }
    }

    fn close_read(&mut self) -> io::Result<()> {
        socket::shutdown(self.shared.as_fd(), Shutdown::Read)
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    fn queued(&self) -> io::Result<usize> {
        Ok(self.held.as_ref().map_or(0, |held| held.len()) + socket::queued(self.shared.as_fd())?)
    }
}

impl<R: Reactor> ReadHalf for ReadyReadHalf<R> {
    type WriteHalf = ReadyWriteHalf<R>;

    fn close_on_drop(&mut self) {
        self.closes_on_drop = true;
    }

    fn closer(&self) -> Closer {
        Closer::new(&self.shared)
    }

    fn poll_release(
        &mut self,
        _: &mut ReadyWriteHalf<R>,
        _: &mut task::Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        let released = self.shared.release()?;
        Poll::Ready(Ok((released, self.held.take().map_or_else(Chunk::new, |held| *held))))
    }
}

impl<R: Reactor> AsFd for ReadyReadHalf<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.as_fd()
    }
}

impl<R: Reactor> Drop for ReadyReadHalf<R> {
    fn drop(&mut self) {
        if self.closes_on_drop {
            // Nobody is left to tell; the descriptor closes with the other half.
            _ = self.close_read();
        }
    }
}

impl<R: Reactor> fmt::Debug for ReadyReadHalf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyReadHalf").finish_non_exhaustive()
    }
}
