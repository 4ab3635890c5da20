//! The writing half of a connection over readiness.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Instant;

use crate::chunk::Chunk;
use crate::descriptors;
use crate::duplex::WriteHalf;
use crate::reactor::{Interest, Progress, Reactor};
use crate::readiness::Deadline;
use crate::readiness::connection::Shared;
use crate::socket;
use crate::transport::PollWrite;

/// The writing half. Dropping it after a split shuts the direction down.
pub struct ReadyWriteHalf<R: Reactor> {
    shared: Arc<Shared<R>>,
    closes_on_drop: bool,
    deadline: Deadline<R>,
}

impl<R: Reactor> ReadyWriteHalf<R> {
    pub(super) fn new(shared: Arc<Shared<R>>) -> ReadyWriteHalf<R> {
        ReadyWriteHalf { shared, closes_on_drop: false, deadline: Deadline::default() }
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

    /// To be polled when an operation of this direction waits elsewhere: the write deadline.
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

    /// Leaves the direction open when this half is dropped: somebody else shuts it down later.
    pub fn leave_open_on_drop(&mut self) {
        self.closes_on_drop = false;
    }

    /// Sends a part of `length` bytes; a short count means that the queue is full.
    fn poll_io(
        &mut self,
        cx: &mut task::Context<'_>,
        length: usize,
        send: impl Fn(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let attempt = |fd: BorrowedFd<'_>| match send(fd)? {
            sent if sent < length => Ok(Progress::Drained(sent)),
            sent => Ok(Progress::Done(sent)),
        };
        let Self { shared, deadline, .. } = self;
        match shared.poll_io(cx, Interest::Write, attempt) {
            Poll::Pending => {
                deadline.poll_or_attempt(cx, &shared.context.reactor, || attempt(shared.as_fd()))
            }
            ready => ready,
        }
    }
}

impl<R: Reactor> PollWrite for ReadyWriteHalf<R> {
    fn poll_write(&mut self, cx: &mut task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_io(cx, bytes.len(), |fd| socket::send(fd, bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut task::Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices = socket::sendable(slices);
        let length = slices.iter().map(|slice| slice.len()).sum();
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        self.poll_io(cx, length, |fd| socket::send_vectored(fd, slices))
    }

    fn poll_write_descriptors(
        &mut self,
        cx: &mut task::Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, bytes.len(), |fd| descriptors::send(fd, bytes, descriptors))
    }

    fn poll_send(
        &mut self,
        cx: &mut task::Context<'_>,
        chunk: &mut Chunk,
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(self.poll_write(cx, chunk))?;
        chunk.advance(sent);
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(&mut self, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        // What was sent is in the kernel already.
        Poll::Ready(Ok(()))
    }

    fn poll_close_write(&mut self, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket::shutdown(self.shared.as_fd(), Shutdown::Write))
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }
}

impl<R: Reactor> WriteHalf for ReadyWriteHalf<R> {
    fn close_on_drop(&mut self) {
        self.closes_on_drop = true;
    }
}

impl<R: Reactor> Drop for ReadyWriteHalf<R> {
    fn drop(&mut self) {
        if self.closes_on_drop {
            // Nobody is left to tell; the descriptor closes with the other half.
            _ = socket::shutdown(self.shared.as_fd(), Shutdown::Write);
        }
    }
}

impl<R: Reactor> fmt::Debug for ReadyWriteHalf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyWriteHalf").finish_non_exhaustive()
    }
}
