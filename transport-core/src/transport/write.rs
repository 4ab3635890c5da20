//! The writing direction of a connection.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::chunk::Chunk;
use crate::futures::{
    CloseWrite, Flush, Send as SendFuture, SendAll, Write, WriteAll, WriteDescriptors,
    WriteVectored,
};

/// The writing direction of a connection.
pub trait PollWrite {
    /// Writes a part of `bytes`, at least one byte, and answers how many; none for an empty slice.
    ///
    /// # Errors
    /// `BrokenPipe` if the peer no longer reads, never SIGPIPE (rule S3); `TimedOut` at the write
    /// deadline; [closed](crate::is_closed).
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes a part of `slices` in their order; empty ones and any number of them work (rule S5).
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write).
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Writes a part of `bytes` with `descriptors` attached to its first byte. When it answers a
    /// count the peer has, or will have, all of them; the caller still owns its own.
    ///
    /// # Errors
    /// `InvalidInput` without a byte to carry them or for more than 253 (rule K2); `ETOOMANYREFS`
    /// when too many are in flight; `PermissionDenied` if the peer refuses descriptors (6.16).
    fn poll_write_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Takes bytes from the front of `chunk` and answers how many. What it took is sent whole and
    /// in order, also after this handle is dropped (the descriptor then closes after the last
    /// byte), unless the connection fails or the driver ends at its deadline (rule S7).
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write); the failure of bytes taken earlier is reported here,
    /// by the next write, or by [`poll_flush`](Self::poll_flush), once.
    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>>;

    /// Ready when the kernel has all bytes that [`poll_send`](Self::poll_send) took.
    ///
    /// # Errors
    /// The failure of bytes taken earlier, once.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes, then closes this direction: the peer reads to the end and sees the end of the
    /// stream; the other direction goes on. Twice is no error.
    ///
    /// # Errors
    /// Those of [`poll_flush`](Self::poll_flush), and of `shutdown(2)` but ENOTCONN.
    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// When a waiting write gives up with `TimedOut`; `None`, the default, is never. It stays
    /// until it is changed.
    fn set_write_deadline(&mut self, deadline: Option<Instant>);

    /// [`poll_write`](Self::poll_write) as a future.
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Write<'a, Self>
    where
        Self: Sized,
    {
        Write { connection: self, bytes }
    }

    /// [`poll_write_vectored`](Self::poll_write_vectored) as a future.
    fn write_vectored<'a>(&'a mut self, slices: &'a [IoSlice<'a>]) -> WriteVectored<'a, Self>
    where
        Self: Sized,
    {
        WriteVectored { connection: self, slices }
    }

    /// Writes all of `bytes`. If it is dropped, a part of them, from the front, was written.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write).
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Sized,
    {
        WriteAll { connection: self, bytes }
    }

    /// [`poll_write_descriptors`](Self::poll_write_descriptors) as a future.
    fn write_descriptors<'a>(
        &'a mut self,
        bytes: &'a [u8],
        descriptors: &'a [BorrowedFd<'a>],
    ) -> WriteDescriptors<'a, Self>
    where
        Self: Sized,
    {
        WriteDescriptors { connection: self, bytes, descriptors }
    }

    /// [`poll_send`](Self::poll_send) as a future: what it took is gone from `chunk`.
    fn send<'a>(&'a mut self, chunk: &'a mut Chunk) -> SendFuture<'a, Self>
    where
        Self: Sized,
    {
        SendFuture { connection: self, chunk }
    }

    /// Sends until nothing is left in the chunk. If it is dropped, what was not taken is lost
    /// with it; use [`send`](Self::send) to keep the rest.
    ///
    /// # Errors
    /// As [`poll_send`](Self::poll_send).
    fn send_all(&mut self, chunk: Chunk) -> SendAll<'_, Self>
    where
        Self: Sized,
    {
        SendAll { connection: self, chunk }
    }

    /// [`poll_flush`](Self::poll_flush) as a future.
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Sized,
    {
        Flush { connection: self }
    }

    /// [`poll_close_write`](Self::poll_close_write) as a future.
    fn close_write(&mut self) -> CloseWrite<'_, Self>
    where
        Self: Sized,
    {
        CloseWrite { connection: self }
    }
}
