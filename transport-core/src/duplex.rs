//! A connection made of its two halves: for transports whose halves already do everything.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::chunk::Chunk;
use crate::closer::Closer;
use crate::cursor::ReadCursor;
use crate::transport::{Connection, PollRead, PollWrite};

/// A reading half, as a [`Duplex`] needs it.
pub trait ReadHalf: PollRead + AsFd + Send + Unpin + 'static {
    /// The writing half that belongs to it.
    type WriteHalf: WriteHalf;

    /// Dropping this half shuts its direction down from now on: it was split off.
    fn close_on_drop(&mut self);

    /// [`Connection::closer`].
    fn closer(&self) -> Closer;

    /// [`Connection::poll_release`].
    fn poll_release(
        &mut self,
        write: &mut Self::WriteHalf,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, Chunk)>>;
}

/// A writing half, as a [`Duplex`] needs it.
pub trait WriteHalf: PollWrite + Send + Unpin + 'static {
    /// Dropping this half shuts its direction down from now on: it was split off.
    fn close_on_drop(&mut self);
}

/// A connected stream of two halves. Dropping it closes the descriptor without shutting either
/// direction down first, so a duplicate of the descriptor elsewhere keeps the stream open.
pub struct Duplex<R: ReadHalf> {
    read: R,
    write: R::WriteHalf,
}

impl<R: ReadHalf> Duplex<R> {
    /// The connection of these halves, neither of which was split off.
    pub fn new(read: R, write: R::WriteHalf) -> Duplex<R> {
        Duplex { read, write }
    }

    /// The halves, still not split off: for transports that build on another's.
    pub fn into_parts(self) -> (R, R::WriteHalf) {
        (self.read, self.write)
    }
}

impl<R: ReadHalf> PollRead for Duplex<R> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.read.poll_read(cx, into)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.read.poll_recv(cx)
    }

    fn poll_read_descriptors(
        &mut self,
        cx: &mut Context<'_>,
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

impl<R: ReadHalf> PollWrite for Duplex<R> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write.poll_write_vectored(cx, slices)
    }

    fn poll_write_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write.poll_write_descriptors(cx, bytes, descriptors)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        self.write.poll_send(cx, chunk)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_close_write(cx)
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.write.set_write_deadline(deadline);
    }
}

impl<R: ReadHalf> AsFd for Duplex<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

impl<R: ReadHalf> Connection for Duplex<R> {
    type ReadHalf = R;
    type WriteHalf = R::WriteHalf;

    fn split(mut self) -> (R, R::WriteHalf) {
        self.read.close_on_drop();
        self.write.close_on_drop();
        (self.read, self.write)
    }

    fn closer(&self) -> Closer {
        self.read.closer()
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        self.read.poll_release(&mut self.write, cx)
    }
}

impl<R: ReadHalf> fmt::Debug for Duplex<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplex").field("fd", &self.as_fd()).finish_non_exhaustive()
    }
}
