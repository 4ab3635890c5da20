//! What carries bytes, both ways.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use crate::address::PeerAddress;
use crate::chunk::Chunk;
use crate::closer::Closer;
use crate::credentials::{self, PeerCredentials};
use crate::futures::Release;
use crate::socket;
use crate::transport::{PollRead, PollWrite};

/// A connected stream. Dropping it closes the descriptor, after what `send` took is sent.
pub trait Connection: PollRead + PollWrite + AsFd + Send + Unpin + 'static {
    /// The reading half.
    type ReadHalf: PollRead + Send + Unpin + 'static;
    /// The writing half.
    type WriteHalf: PollWrite + Send + Unpin + 'static;

    /// Two halves for two tasks or threads. Dropping a half closes its direction; with the second
    /// the descriptor closes (rule S1).
    fn split(self) -> (Self::ReadHalf, Self::WriteHalf);

    /// What closes this connection, and wakes whoever waits on it, from any thread.
    fn closer(&self) -> Closer;

    /// Takes the descriptor out of the library, non-blocking, with what was already received and
    /// not read; waits until everything that `send` took is sent. After that this handle answers
    /// [closed](crate::is_closed).
    ///
    /// # Errors
    /// The failure of bytes that `send` took; EMFILE.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>>;

    /// [`poll_release`](Self::poll_release) as a future.
    fn release(self) -> Release<Self>
    where
        Self: Sized,
    {
        Release { connection: self }
    }

    /// Who the peer is: a client as it was when it connected, a server as it was when it began to
    /// listen (rule K1).
    ///
    /// # Errors
    /// Those of `getsockopt(SO_PEERCRED)`.
    fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        credentials::of_peer(self.as_fd())
    }

    /// A descriptor of the peer's process, which a recycled process id can't fool (Linux 6.5).
    ///
    /// # Errors
    /// `Unsupported` before Linux 6.5; ESRCH or EINVAL, as the kernel says, if the process is
    /// gone and reaped, or in another pid namespace.
    fn peer_pidfd(&self) -> io::Result<OwnedFd> {
        credentials::pidfd_of_peer(self.as_fd())
    }

    /// The name that the peer gave itself (rule A7).
    ///
    /// # Errors
    /// Those of `getpeername(2)`.
    fn peer_address(&self) -> io::Result<PeerAddress> {
        socket::peer_address(self.as_fd())
    }

    /// How many bytes of memory may be queued towards the peer, as the kernel counts them: twice
    /// what was asked for.
    ///
    /// # Errors
    /// Those of `getsockopt(SO_SNDBUF)`.
    fn send_buffer(&self) -> io::Result<usize> {
        socket::send_buffer(self.as_fd())
    }

    /// Asks for a send buffer of this many bytes; the kernel doubles it, and has a maximum
    /// (`net.core.wmem_max`). The only buffer that Unix sockets have.
    ///
    /// # Errors
    /// Those of `setsockopt(SO_SNDBUF)`.
    fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        socket::set_send_buffer(self.as_fd(), bytes)
    }
}
