//! A connection whose operations wait in the kernel.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use transport_core::closer::CloseTarget;
use transport_core::error::closed;
use transport_core::{
    Chunk, Closer, Descriptors, Interest, PeerAddress, PeerCredentials, credentials, socket,
};

use crate::sync::halves::{ReadHalf, WriteHalf};
use crate::sync::stream::Stream;

/// A connected stream: `Read` and `Write`, also through a reference, so that threads can share it.
///
/// A read waits for the first byte; at the end of the stream it answers 0 (rule S2). A write waits
/// until the kernel has taken all bytes, or some of them when a timeout or a signal came between.
/// Both answer 0 for no bytes without a system call, start again after a signal, and answer the
/// [closed](transport_core::is_closed) error after [`Closer::close`]. Writing never raises SIGPIPE;
/// `flush` does nothing, because nothing is kept back.
///
/// Dropping it closes the descriptor: the peer reads what was written, then the end.
#[derive(Debug)]
pub struct Connection {
    stream: Arc<Stream>,
}

impl Connection {
    pub(super) fn new(fd: OwnedFd, descriptors: Descriptors) -> Connection {
        Connection { stream: Arc::new(Stream::new(fd, descriptors)) }
    }

    /// Lets these bytes be read before all others.
    pub(super) fn hold(&self, bytes: Chunk) {
        self.stream.hold(bytes);
    }

    /// Two halves for two threads. Dropping a half closes its direction; with the second the
    /// descriptor closes (rule S1).
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (ReadHalf::new(Arc::clone(&self.stream)), WriteHalf::new(self.stream))
    }

    /// What closes this connection from any thread, and wakes whoever waits on it; also after it
    /// was split.
    #[must_use]
    pub fn closer(&self) -> Closer {
        Closer::new(&self.stream)
    }

    /// Closes the reading direction: the peer's writes fail with EPIPE, a read that waits answers
    /// 0. What was already received can still be read. Twice is no error.
    ///
    /// # Errors
    /// Those of `shutdown(2)` but ENOTCONN.
    pub fn close_read(&self) -> io::Result<()> {
        self.stream.shut_down(Shutdown::Read)
    }

    /// Closes the writing direction: the peer reads what was written, then the end of the stream.
    /// Twice is no error.
    ///
    /// # Errors
    /// Those of `shutdown(2)` but ENOTCONN.
    pub fn close_write(&self) -> io::Result<()> {
        self.stream.shut_down(Shutdown::Write)
    }

    /// How long each read waits before it fails with `TimedOut`; `None`, the default, is for ever
    /// (rule S6, `SO_RCVTIMEO`). Counted in microseconds, at least one, and anew after a signal.
    ///
    /// # Errors
    /// `InvalidInput` for zero; those of `setsockopt(2)`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_timeout(Interest::Read, timeout)
    }

    /// How long each write waits for room before it fails with `TimedOut`, or answers how much it
    /// wrote until then; otherwise as [`set_read_timeout`](Self::set_read_timeout)
    /// (`SO_SNDTIMEO`).
    ///
    /// # Errors
    /// `InvalidInput` for zero; those of `setsockopt(2)`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_timeout(Interest::Write, timeout)
    }

    /// Reads like `read`, and takes the descriptors that came with the first of these bytes,
    /// close-on-exec. Any other read closes such descriptors (rule K2).
    ///
    /// # Errors
    /// `Unsupported` unless descriptors were [allowed](Descriptors); `InvalidData` if a message
    /// brought more than the limit or the process has no room for them: all that came with it are
    /// closed, and its bytes stay for the next read.
    pub fn read_descriptors(&self, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.stream.read_descriptors(into)
    }

    /// Writes like `write`, with `descriptors` attached to the first byte; the caller still owns
    /// its own.
    ///
    /// # Errors
    /// `InvalidInput` without a byte to carry them or for more than 253 (rule K2); `ETOOMANYREFS`
    /// when too many are in flight; `PermissionDenied` if the peer refuses descriptors (6.16).
    pub fn write_descriptors(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        self.stream.write_descriptors(bytes, descriptors)
    }

    /// How many bytes can be read without waiting.
    ///
    /// # Errors
    /// Those of `ioctl(SIOCINQ)`.
    pub fn queued(&self) -> io::Result<usize> {
        self.stream.queued()
    }

    /// Who the peer is (rule K1).
    ///
    /// # Errors
    /// Those of `getsockopt(SO_PEERCRED)`.
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        credentials::of_peer(self.as_fd())
    }

    /// A descriptor of the peer's process (Linux 6.5).
    ///
    /// # Errors
    /// As [`credentials::pidfd_of_peer`].
    pub fn peer_pidfd(&self) -> io::Result<OwnedFd> {
        credentials::pidfd_of_peer(self.as_fd())
    }

    /// The name that the peer gave itself (rule A7).
    ///
    /// # Errors
    /// Those of `getpeername(2)`.
    pub fn peer_address(&self) -> io::Result<PeerAddress> {
        socket::peer_address(self.as_fd())
    }

    /// How many bytes of memory may be queued towards the peer, as the kernel counts them: twice
    /// what was asked for.
    ///
    /// # Errors
    /// Those of `getsockopt(SO_SNDBUF)`.
    pub fn send_buffer(&self) -> io::Result<usize> {
        socket::send_buffer(self.as_fd())
    }

    /// Asks for a send buffer of this many bytes, up to the system's maximum.
    ///
    /// # Errors
    /// Those of `setsockopt(SO_SNDBUF)`.
    pub fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        socket::set_send_buffer(self.as_fd(), bytes)
    }

    /// Takes the blocking descriptor out of the library, with bytes that were received and not
    /// read: there are some only after [`read_descriptors`](Self::read_descriptors) refused a
    /// message.
    ///
    /// # Errors
    /// [Closed](transport_core::is_closed); EMFILE if a closer is at work at this moment.
    pub fn into_fd(self) -> io::Result<(OwnedFd, Chunk)> {
        if self.stream.is_closed() {
            return Err(closed());
        }
        match Arc::try_unwrap(self.stream) {
            Ok(stream) => Ok(stream.into_parts()),
            // A closer holds it for the length of a system call.
            Err(stream) => Ok((stream.as_fd().try_clone_to_owned()?, stream.take_held())),
        }
    }
}

impl Read for &Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }

    fn read_vectored(&mut self, slices: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.read_vectored(slices)
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }

    fn read_vectored(&mut self, slices: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.read_vectored(slices)
    }
}

impl Write for &Connection {
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

impl Write for Connection {
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

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
