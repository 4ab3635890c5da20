//! The reading direction of a connection.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::chunk::Chunk;
use crate::cursor::ReadCursor;
use crate::futures::{Read, ReadDescriptors, ReadExact, Recv};

/// The reading direction of a connection.
///
/// Two paths: borrowed ([`poll_read`](Self::poll_read)) into the caller's memory, owned
/// ([`poll_recv`](Self::poll_recv)) into the backend's. They can be mixed; bytes keep their order.
pub trait PollRead {
    /// Reads at least one byte into `into`, or none at end of stream. A cursor without room is
    /// filled with nothing at once.
    ///
    /// # Errors
    /// `ConnectionReset` once if the peer closed with unread data, then end of stream (rule S2);
    /// `TimedOut` at the read deadline; [closed](crate::is_closed).
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>>;

    /// The next received bytes; an empty chunk is the end of the stream. Where the backend
    /// receives by completion, nothing is copied.
    ///
    /// # Errors
    /// As [`poll_read`](Self::poll_read).
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>>;

    /// Like [`poll_read`](Self::poll_read), and appends the descriptors that came with the first
    /// of these bytes, close-on-exec, to `descriptors`. Any other read closes such descriptors.
    ///
    /// # Errors
    /// `Unsupported` unless descriptors were [allowed](crate::Descriptors); `InvalidData` if a
    /// message brought more than the limit or the process has no room for them: all that came
    /// with it are closed, and its bytes stay for the next read (rule K2).
    fn poll_read_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<()>>;

    /// Closes this direction: the peer's writes fail with EPIPE, the other direction goes on.
    /// What was already received can still be read. Twice is no error.
    ///
    /// # Errors
    /// Those of `shutdown(2)` but ENOTCONN.
    fn close_read(&mut self) -> io::Result<()>;

    /// When a waiting read gives up with `TimedOut`; `None`, the default, is never. It stays until
    /// it is changed.
    fn set_read_deadline(&mut self, deadline: Option<Instant>);

    /// How many bytes can be read without waiting: those in the kernel's queue and those that
    /// this handle already holds.
    ///
    /// # Errors
    /// Those of `ioctl(SIOCINQ)`.
    fn queued(&self) -> io::Result<usize>;

    /// [`poll_read`](Self::poll_read) as a future: how many bytes were read.
    fn read<'a>(&'a mut self, into: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Sized,
    {
        Read { connection: self, into: ReadCursor::new(into) }
    }

    /// Reads until `into` is full. If it is dropped, what it read so far is in `into` and not
    /// counted anywhere: give up only with the connection.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stream ends before; else as [`poll_read`](Self::poll_read).
    fn read_exact<'a>(&'a mut self, into: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Sized,
    {
        ReadExact { connection: self, into: ReadCursor::new(into) }
    }

    /// [`poll_recv`](Self::poll_recv) as a future.
    fn recv(&mut self) -> Recv<'_, Self>
    where
        Self: Sized,
    {
        Recv { connection: self }
    }

    /// [`poll_read_descriptors`](Self::poll_read_descriptors) as a future: how many bytes were
    /// read, and the descriptors.
    fn read_descriptors<'a>(&'a mut self, into: &'a mut [u8]) -> ReadDescriptors<'a, Self>
    where
        Self: Sized,
    {
        ReadDescriptors { connection: self, into: ReadCursor::new(into) }
    }
}
