//! A connection over readiness: two halves that share a source.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};
use std::time::Instant;

use crate::chunk::Chunk;
use crate::closer::{CloseTarget, Closer};
use crate::cursor::ReadCursor;
use crate::error::closed;
use crate::options::Descriptors;
use crate::reactor::{Interest, Progress, Reactor, Source};
use crate::readiness::Context;
use crate::readiness::read::ReadyReadHalf;
use crate::readiness::write::ReadyWriteHalf;
use crate::socket;
use crate::transport::{Connection, PollRead, PollWrite};

/// What both halves share. The descriptor closes when the second half is dropped.
pub(super) struct Shared<R: Reactor> {
    source: R::Source,
    closed: AtomicBool,
    pub(super) context: Arc<Context<R>>,
    /// What one message may bring; 0 where descriptors are refused.
    pub(super) descriptor_limit: usize,
    /// Whether a short read means that the queue is empty: not where it may have ended at
    /// descriptors.
    pub(super) short_read_drains: bool,
}

impl<R: Reactor> Shared<R> {
    /// An operation in one direction: fails once the connection was closed from elsewhere.
    pub(super) fn poll_io<T>(
        &self,
        cx: &mut task::Context<'_>,
        interest: Interest,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        if self.closed.load(Ordering::Acquire) {
            return Poll::Ready(Err(closed()));
        }
        let answer = self.source.poll_io(cx, interest, attempt);
        if self.closed.load(Ordering::Acquire) {
            return Poll::Ready(Err(closed()));
        }
        answer
    }
}

impl<R: Reactor> AsFd for Shared<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl<R: Reactor> CloseTarget for Shared<R> {
    fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // Makes both directions ready, which wakes whoever waits. An error would mean that it
            // is over anyway.
            _ = socket::shutdown(self.as_fd(), Shutdown::Both);
        }
    }

    fn drain(&self) {
        // As above.
        _ = socket::shutdown(self.as_fd(), Shutdown::Read);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// A connected stream.
pub struct ReadyConnection<R: Reactor> {
    pub(super) read: ReadyReadHalf<R>,
    pub(super) write: ReadyWriteHalf<R>,
}

impl<R: Reactor> ReadyConnection<R> {
    pub(crate) fn new(
        context: Arc<Context<R>>,
        fd: OwnedFd,
        descriptors: Descriptors,
    ) -> io::Result<ReadyConnection<R>> {
        let source = context.reactor.register(Arc::new(fd))?;
        let shared = Arc::new(Shared {
            source,
            closed: AtomicBool::new(false),
            context,
            descriptor_limit: descriptors.limit(),
            short_read_drains: descriptors == Descriptors::Refuse
                && crate::descriptors::kernel_refuses(),
        });
        let read = ReadyReadHalf::new(Arc::clone(&shared));
        Ok(ReadyConnection { read, write: ReadyWriteHalf::new(shared) })
    }

    fn shared(&self) -> &Arc<Shared<R>> {
        &self.read.shared
    }
}

impl<R: Reactor> PollRead for ReadyConnection<R> {
    fn poll_read(
        &mut self,
        cx: &mut task::Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.read.poll_read(cx, into)
    }

    fn poll_recv(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<Chunk>> {
        self.read.poll_recv(cx)
    }

    fn poll_read_descriptors(
        &mut self,
        cx: &mut task::Context<'_>,
        into: &mut ReadCursor<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<()>> {
        self.read.poll_read_descriptors(cx, into, descriptors)
    }

    fn close_read(&mut self) -> io::Result<()> {
        self.read.close_read()
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.read.set_read_deadline(deadline);
    }

    fn queued(&self) -> io::Result<usize> {
        self.read.queued()
    }
}

impl<R: Reactor> PollWrite for ReadyConnection<R> {
    fn poll_write(&mut self, cx: &mut task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut task::Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write.poll_write_vectored(cx, slices)
    }

    fn poll_write_descriptors(
        &mut self,
        cx: &mut task::Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write.poll_write_descriptors(cx, bytes, descriptors)
    }

    fn poll_send(
        &mut self,
        cx: &mut task::Context<'_>,
        chunk: &mut Chunk,
    ) -> Poll<io::Result<usize>> {
        self.write.poll_send(cx, chunk)
    }

    fn poll_flush(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_close_write(cx)
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.write.set_write_deadline(deadline);
    }
}

impl<R: Reactor> AsFd for ReadyConnection<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared().as_fd()
    }
}

impl<R: Reactor> Connection for ReadyConnection<R> {
    type ReadHalf = ReadyReadHalf<R>;
    type WriteHalf = ReadyWriteHalf<R>;

    fn split(mut self) -> (ReadyReadHalf<R>, ReadyWriteHalf<R>) {
        self.read.closes_on_drop = true;
        self.write.closes_on_drop = true;
        (self.read, self.write)
    }

    fn closer(&self) -> Closer {
        Closer::new(self.shared())
    }

    fn poll_release(&mut self, _: &mut task::Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        if self.shared().is_closed() {
            return Poll::Ready(Err(closed()));
        }
        // A second number for the same socket: the first one closes with this handle, and the
        // connection, which only the handle's own close would shut down, goes on.
        let released = self.as_fd().try_clone_to_owned()?;
        self.shared().closed.store(true, Ordering::Release);
        Poll::Ready(Ok((released, self.read.take_held())))
    }
}

impl<R: Reactor> fmt::Debug for ReadyConnection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyConnection").field("fd", &self.as_fd()).finish_non_exhaustive()
    }
}
