//! Seam 1: what a transport, a listener and a connection are.
//!
//! Poll functions are the primitive, because everything that people plug a connection into is
//! made of them and they allocate nothing. The named futures on top come with the traits:
//! `listener.accept().await`, `connection.read(&mut buf).await`.
//!
//! Nothing here assumes that readable means `recv(2)`: a transport may move its bytes by any way.
//!
//! # For callers
//! - One handle has **one waiter per direction**: a poll that answers `Pending` replaces the waker
//!   of the poll before it. More waiters take more handles ([`Transport::share_listener`],
//!   [`Connection::split`]).
//! - Any future may be dropped at any point. A dropped accept loses no connection, a dropped read
//!   no byte; a dropped write has written nothing, because a write completes in the poll that
//!   answers it (rules L5, S4).
//! - Nothing blocks the thread.
//!
//! # For implementers
//! - A poll function that answers `Pending` must have arranged for the waker to be woken.
//! - An operation belongs to the handle, never to the future.
//! - Every descriptor is close-on-exec from its birth (rule X1); no write may raise SIGPIPE.

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::address::{Address, PeerAddress};
use crate::chunk::Chunk;
use crate::closer::Closer;
use crate::credentials::{self, PeerCredentials};
use crate::cursor::ReadCursor;
use crate::error::Result;
use crate::futures::{
    Accept, Acceptable, CloseWrite, Flush, Read, ReadDescriptors, ReadExact, Recv, Release,
    Send as SendFuture, SendAll, Write, WriteAll, WriteDescriptors, WriteVectored,
};
use crate::options::{AdoptOptions, ConnectOptions, ListenOptions};
use crate::socket;

/// A way to make listeners and connections. Cheap to clone; usable from any thread.
pub trait Transport: Clone + Send + Sync + 'static {
    /// What listens.
    type Listener: Listener<Connection = Self::Connection>;
    /// What carries bytes.
    type Connection: Connection;

    /// Binds `at` and listens there. Makes the socket file, with its mode, for a path.
    ///
    /// # Errors
    /// `AddrInUse` if anything is at the path (rule B1), `NotFound` without the directory,
    /// `PermissionDenied`, `InvalidInput` for options that the address can't have. A call that
    /// fails leaves no file and no descriptor (rule B5).
    fn listen(&self, at: &Address, options: &ListenOptions) -> Result<Self::Listener>;

    /// A second handle of the same listener, driven by this transport's driver: another waiter,
    /// or another thread. All handles share one closed state, and the file has one owner: it goes
    /// when the last handle does.
    ///
    /// # Errors
    /// `NotConnected` if the listener is closed, or if this transport's driver is gone.
    fn share_listener(&self, of: &Self::Listener) -> Result<Self::Listener>;

    /// Connects to `to`, waiting while the server's backlog is full, as long as the options allow
    /// (rule C1). A dropped connect leaves no descriptor, and no ghost in the server's queue.
    ///
    /// # Errors
    /// Rule C2: `NotFound`, `ConnectionRefused`, `PermissionDenied`, `InvalidInput` for a socket
    /// of another type, `TimedOut`, `WouldBlock`.
    fn connect(
        &self,
        to: &Address,
        options: &ConnectOptions,
    ) -> impl Future<Output = Result<Self::Connection>> + Send;

    /// Takes over a listening socket that was made elsewhere (inherited, passed by a service
    /// manager). It is set non-blocking and close-on-exec. Its file is never removed, and it is
    /// never shut down: others may share it (rule B7).
    ///
    /// # Errors
    /// `InvalidInput` if it is not a listening Unix stream socket.
    fn adopt_listener(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<Self::Listener>;

    /// Takes over a connected Unix stream socket. It is set non-blocking and close-on-exec.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a connected Unix stream socket.
    fn adopt_connection(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<Self::Connection>;

    /// Two connections, each the other's peer, without any name.
    ///
    /// # Errors
    /// Those of `socketpair(2)`.
    fn pair(&self, options: &AdoptOptions) -> Result<(Self::Connection, Self::Connection)>;
}

/// A listening socket. Dropping the last handle closes it: the file goes if that was asked for,
/// waiting clients are reset.
pub trait Listener: Send + Unpin + 'static {
    /// What accepting gives.
    type Connection: Connection;

    /// Takes the next connection, in the kernel's order (rule L1).
    ///
    /// # Errors
    /// [Closed](crate::is_closed) after [`Closer::close`], or when a drain is done: the end of an
    /// accept loop. [Transient](crate::is_transient) when descriptors or memory ran out: nothing
    /// is lost, and the next call first waits a little, so that a plain loop costs no CPU (L6).
    /// `TimedOut` when the accept deadline passed.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Connection, PeerAddress)>>;

    /// Waits until accepting would answer, and takes nothing: ready when a connection waits or
    /// the listener is closed, and ready again when asked again (rule L2). Another process or
    /// handle may still take the connection first.
    ///
    /// # Errors
    /// `TimedOut` when the accept deadline passed. A closed listener is ready, not an error.
    fn poll_acceptable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// When a waiting accept gives up with `TimedOut`; `None`, the default, is never. It stays
    /// until it is changed, so once passed every accept that would wait fails at once.
    fn set_accept_deadline(&mut self, deadline: Option<Instant>);

    /// The address that was asked for (rule A7); [`Address::Unnamed`] if adopted from a
    /// descriptor whose name is not a legal address.
    fn local_address(&self) -> &Address;

    /// What closes or drains this listener, all its handles, from any thread.
    fn closer(&self) -> Closer;

    /// [`poll_accept`](Self::poll_accept) as a future.
    fn accept(&mut self) -> Accept<'_, Self>
    where
        Self: Sized,
    {
        Accept { listener: self }
    }

    /// [`poll_acceptable`](Self::poll_acceptable) as a future.
    fn acceptable(&mut self) -> Acceptable<'_, Self>
    where
        Self: Sized,
    {
        Acceptable { listener: self }
    }
}

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
