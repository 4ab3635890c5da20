//! The box that all erased handles are: it reads and writes as what it holds does.
//!
//! A type of its own and not `Box` itself: were a box of an erased connection a connection, it
//! would have an erased form in turn, and a call could mean either.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::chunk::Chunk;
use crate::cursor::ReadCursor;
use crate::transport::{PollRead, PollWrite};

/// A handle behind a trait object; see [`AnyListener`](super::AnyListener),
/// [`AnyConnection`](super::AnyConnection), [`AnyReadHalf`](super::AnyReadHalf) and
/// [`AnyWriteHalf`](super::AnyWriteHalf).
///
/// Dropping it drops the handle, with what the handle's own drop does.
pub struct Boxed<D: ?Sized> {
    pub(super) inner: Box<D>,
}

impl<D: PollRead + ?Sized> PollRead for Boxed<D> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner.poll_read(cx, into)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.inner.poll_recv(cx)
    }

    fn poll_read_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<()>> {
        self.inner.poll_read_descriptors(cx, into, descriptors)
    }

    fn close_read(&mut self) -> io::Result<()> {
        self.inner.close_read()
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_read_deadline(deadline);
    }

    fn queued(&self) -> io::Result<usize> {
        self.inner.queued()
    }
}

impl<D: PollWrite + ?Sized> PollWrite for Boxed<D> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_write_vectored(cx, slices)
    }

    fn poll_write_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_write_descriptors(cx, bytes, descriptors)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        self.inner.poll_send(cx, chunk)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_close_write(cx)
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_write_deadline(deadline);
    }
}

impl<D: AsFd + ?Sized> AsFd for Boxed<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<D: ?Sized> fmt::Debug for Boxed<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<Self>())
    }
}
