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

mod connection;
mod listener;
mod read;
mod write;

pub use connection::Connection;
pub use listener::Listener;
pub use read::PollRead;
pub use write::PollWrite;

use std::future::Future;
use std::os::fd::OwnedFd;

use crate::address::Address;
use crate::error::Result;
use crate::options::{AdoptOptions, ConnectOptions, ListenOptions};

/// A way of moving bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytePath {
    /// `read` and `write`, with the caller's memory.
    Borrowed,
    /// `recv` and `send`, with the backend's memory.
    Owned,
}

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

    /// By which path small messages take less of the processor's time here, for programs that could
    /// use either. It stays the same for the transport's life.
    fn cheaper_path(&self) -> BytePath {
        BytePath::Borrowed
    }

    /// Two connections, each the other's peer, without any name.
    ///
    /// # Errors
    /// Those of `socketpair(2)`.
    fn pair(&self, options: &AdoptOptions) -> Result<(Self::Connection, Self::Connection)>;
}
