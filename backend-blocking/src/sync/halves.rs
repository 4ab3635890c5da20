//! The two directions of a connection, for two threads.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use transport_core::Interest;

use crate::sync::stream::Stream;

/// The reading half. Dropping it closes the direction: the peer's writes fail with EPIPE.
#[derive(Debug)]
pub struct ReadHalf {
    stream: Arc<Stream>,
}

impl ReadHalf {
    pub(super) fn new(stream: Arc<Stream>) -> ReadHalf {
        ReadHalf { stream }
    }

    /// As [`Connection::set_read_timeout`](crate::sync::Connection::set_read_timeout).
    ///
    /// # Errors
    /// `InvalidInput` for zero; those of `setsockopt(2)`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_timeout(Interest::Read, timeout)
    }

    /// As [`Connection::read_descriptors`](crate::sync::Connection::read_descriptors).
    ///
    /// # Errors
    /// Those of that function.
    pub fn read_descriptors(&self, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.stream.read_descriptors(into)
    }

    /// How many bytes can be read without waiting.
    ///
    /// # Errors
    /// Those of `ioctl(SIOCINQ)`.
    pub fn queued(&self) -> io::Result<usize> {
        self.stream.queued()
    }
}

impl Read for ReadHalf {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }

    fn read_vectored(&mut self, slices: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.read_vectored(slices)
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        // Nobody is left to tell; the descriptor closes with the other half.
        _ = self.stream.shut_down(Shutdown::Read);
    }
}

/// The writing half. Dropping it closes the direction: the peer reads what was written, then the
/// end of the stream.
#[derive(Debug)]
pub struct WriteHalf {
    stream: Arc<Stream>,
}

impl WriteHalf {
    pub(super) fn new(stream: Arc<Stream>) -> WriteHalf {
        WriteHalf { stream }
    }

    /// As [`Connection::set_write_timeout`](crate::sync::Connection::set_write_timeout).
    ///
    /// # Errors
    /// `InvalidInput` for zero; those of `setsockopt(2)`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_timeout(Interest::Write, timeout)
    }

    /// As [`Connection::write_descriptors`](crate::sync::Connection::write_descriptors).
    ///
    /// # Errors
    /// Those of that function.
    pub fn write_descriptors(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        self.stream.write_descriptors(bytes, descriptors)
    }
}

impl Write for WriteHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        // Nobody is left to tell; the descriptor closes with the other half.
        _ = self.stream.shut_down(Shutdown::Write);
    }
}
