//! The synchronous face's connection and halves as the traits have them.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use backend_blocking::sync;
use transport_core::error::closed;
use transport_core::{Chunk, Closer, Connection, PollRead, PollWrite, ReadCursor};

use crate::transport::until;

/// The most that one owned receive takes.
const CHUNK: usize = 64 * 1024;

/// A connection, or a half of one, with the deadlines of both directions.
#[derive(Debug)]
pub(crate) struct Adapted<S> {
    /// Gone after a release, and a half is gone when it is closed.
    inner: Option<S>,
    read_deadline: Option<Instant>,
    write_deadline: Option<Instant>,
}

pub(crate) type SyncConnection = Adapted<sync::Connection>;
pub(crate) type SyncReadHalf = Adapted<sync::ReadHalf>;
pub(crate) type SyncWriteHalf = Adapted<sync::WriteHalf>;

impl<S> Adapted<S> {
    pub(crate) fn new(inner: S) -> Adapted<S> {
        Adapted { inner: Some(inner), read_deadline: None, write_deadline: None }
    }

    fn inner(&mut self) -> io::Result<&mut S> {
        self.inner.as_mut().ok_or_else(closed)
    }
}

/// What the connection and its reading half both do.
pub(crate) trait Readable: Read {
    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
    fn descriptors(&self, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)>;
    fn queued(&self) -> io::Result<usize>;
    /// Closes the reading direction; a half does so by its drop.
    fn close(slot: &mut Option<Self>) -> io::Result<()>
    where
        Self: Sized;
}

/// What the connection and its writing half both do.
pub(crate) trait Writable: Write {
    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
    fn write_descriptors(&self, bytes: &[u8], those: &[BorrowedFd<'_>]) -> io::Result<usize>;
    /// Closes the writing direction; a half does so by its drop.
    fn close(slot: &mut Option<Self>) -> io::Result<()>
    where
        Self: Sized;
}

impl Readable for sync::Connection {
    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    fn descriptors(&self, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.read_descriptors(into)
    }

    fn queued(&self) -> io::Result<usize> {
        sync::Connection::queued(self)
    }

    fn close(slot: &mut Option<Self>) -> io::Result<()> {
        slot.as_ref().map_or(Ok(()), sync::Connection::close_read)
    }
}

impl Readable for sync::ReadHalf {
    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    fn descriptors(&self, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.read_descriptors(into)
    }

    fn queued(&self) -> io::Result<usize> {
        sync::ReadHalf::queued(self)
    }

    fn close(slot: &mut Option<Self>) -> io::Result<()> {
        *slot = None;
        Ok(())
    }
}

impl Writable for sync::Connection {
    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn write_descriptors(&self, bytes: &[u8], those: &[BorrowedFd<'_>]) -> io::Result<usize> {
        sync::Connection::write_descriptors(self, bytes, those)
    }

    fn close(slot: &mut Option<Self>) -> io::Result<()> {
        slot.as_ref().map_or(Ok(()), sync::Connection::close_write)
    }
}

impl Writable for sync::WriteHalf {
    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn write_descriptors(&self, bytes: &[u8], those: &[BorrowedFd<'_>]) -> io::Result<usize> {
        sync::WriteHalf::write_descriptors(self, bytes, those)
    }

    fn close(slot: &mut Option<Self>) -> io::Result<()> {
        *slot = None;
        Ok(())
    }
}

impl<S: Readable> Adapted<S> {
    fn reader(&mut self) -> io::Result<&mut S> {
        let deadline = self.read_deadline;
        let inner = self.inner()?;
        inner.set_timeout(deadline.map(until))?;
        Ok(inner)
    }
}

impl<S: Readable> PollRead for Adapted<S> {
    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buf = vec![0; into.remaining()];
        let read = self.reader().and_then(|inner| inner.read(&mut buf));
        Poll::Ready(read.map(|length| _ = into.put(&buf[..length]))) // it has that much room
    }

    fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        let mut buf = vec![0; CHUNK];
        let read = self.reader().and_then(|inner| inner.read(&mut buf));
        Poll::Ready(read.map(|length| {
            buf.truncate(length);
            Chunk::from(buf)
        }))
    }

    fn poll_read_descriptors(
        &mut self,
        _: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<()>> {
        let mut buf = vec![0; into.remaining()];
        let read = self.reader().and_then(|inner| inner.descriptors(&mut buf));
        Poll::Ready(read.map(|(length, came)| {
            into.put(&buf[..length]);
            descriptors.extend(came);
        }))
    }

    fn close_read(&mut self) -> io::Result<()> {
        S::close(&mut self.inner)
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.read_deadline = deadline;
    }

    fn queued(&self) -> io::Result<usize> {
        self.inner.as_ref().ok_or_else(closed)?.queued()
    }
}

impl<S: Writable> Adapted<S> {
    fn writer(&mut self) -> io::Result<&mut S> {
        let deadline = self.write_deadline;
        let inner = self.inner()?;
        inner.set_timeout(deadline.map(until))?;
        Ok(inner)
    }
}

impl<S: Writable> PollWrite for Adapted<S> {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.writer().and_then(|inner| inner.write(bytes)))
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.writer().and_then(|inner| inner.write_vectored(slices)))
    }

    fn poll_write_descriptors(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.writer().and_then(|inner| inner.write_descriptors(bytes, descriptors)))
    }

    fn poll_send(&mut self, _: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        let sent = self.writer().and_then(|inner| inner.write(chunk));
        Poll::Ready(sent.inspect(|length| chunk.advance(*length)))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(S::close(&mut self.inner))
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.write_deadline = deadline;
    }
}

impl Connection for SyncConnection {
    type ReadHalf = SyncReadHalf;
    type WriteHalf = SyncWriteHalf;

    fn split(mut self) -> (SyncReadHalf, SyncWriteHalf) {
        let inner = self.inner.take().expect("only a released connection is empty");
        let (read, write) = inner.split();
        let read = Adapted { read_deadline: self.read_deadline, ..Adapted::new(read) };
        let write = Adapted { write_deadline: self.write_deadline, ..Adapted::new(write) };
        (read, write)
    }

    fn closer(&self) -> Closer {
        self.inner.as_ref().expect("only a released connection is empty").closer()
    }

    fn poll_release(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        Poll::Ready(self.inner.take().ok_or_else(closed).and_then(sync::Connection::into_fd))
    }
}

impl AsFd for SyncConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_ref().expect("only a released connection is empty").as_fd()
    }
}
