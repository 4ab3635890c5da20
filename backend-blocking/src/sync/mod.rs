//! The synchronous face: `std::io` over blocking sockets, one thread per waiting operation.
//!
//! A read is one `recv(2)` and a write one `send(2)`, which wait in the kernel; nothing is polled
//! before. There is no driver and no runtime. What another thread can do is close: a [`Closer`]
//! wakes whoever waits, on a connection and on a listener.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::thread;
//!
//! use backend_blocking::sync;
//! use transport_core::{Address, ConnectOptions, ListenOptions};
//!
//! let address = Address::abstract_name(format!("\0sync-{}", std::process::id()))?;
//! let listener = sync::listen(&address, &ListenOptions::new())?;
//! let server = thread::spawn(move || -> std::io::Result<()> {
//!     let (mut connection, _) = listener.accept()?;
//!     connection.write_all(b"hello")
//! });
//! let mut text = String::new();
//! sync::connect(&address, &ConnectOptions::new())?.read_to_string(&mut text)?;
//! assert_eq!(text, "hello");
//! server.join().expect("does not panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Closer`]: transport_core::Closer

mod close_event;
mod connection;
mod convert;
mod halves;
mod listener;
mod stream;

pub use connection::Connection;
pub use halves::{ReadHalf, WriteHalf};
pub use listener::{Incoming, Listener};

use std::os::fd::OwnedFd;

use transport_core::socket::{self, Dial, Mode};
use transport_core::{Address, AdoptOptions, ConnectOptions, Error, ListenOptions, Result};

use crate::sync::close_event::CloseEvent;

/// Binds `at` and listens there. Makes the socket file, with its mode, for a path.
///
/// # Errors
/// As [`Transport::listen`](transport_core::Transport::listen), and EMFILE for the eventfd that
/// closing wakes through.
pub fn listen(at: &Address, options: &ListenOptions) -> Result<Listener> {
    // First, so that nothing is left to undo.
    let event = CloseEvent::new().map_err(|e| Error::new("listen on", Some(at), e))?;
    Ok(Listener::new(socket::listen(at, options)?, event))
}

/// Connects to `to`. While the server's backlog is full it waits in the kernel, as long as the
/// options allow; a timeout of zero does not wait at all (rule C1).
///
/// # Errors
/// As [`Transport::connect`](transport_core::Transport::connect).
pub fn connect(to: &Address, options: &ConnectOptions) -> Result<Connection> {
    let fd = Dial::new(to, options, Mode::Blocking)?.wait()?;
    Ok(Connection::new(fd, options.descriptor_policy()))
}

/// Takes over a listening socket that was made elsewhere, and makes it non-blocking (for all who
/// share it) and close-on-exec. Its file is never removed, and it is never shut down (rule B7).
///
/// # Errors
/// `InvalidInput` if it is not a listening Unix stream socket; EMFILE.
pub fn adopt_listener(fd: OwnedFd, options: &AdoptOptions) -> Result<Listener> {
    let event = CloseEvent::new().map_err(|e| Error::new("adopt a listener", None, e))?;
    Ok(Listener::new(socket::adopt_listener(fd, options)?, event))
}

/// Takes over a connected Unix stream socket, and makes it blocking (for all who share it) and
/// close-on-exec.
///
/// # Errors
/// `InvalidInput` if it is not a connected Unix stream socket.
pub fn adopt_connection(fd: OwnedFd, options: &AdoptOptions) -> Result<Connection> {
    let fd = socket::adopt_connection(fd, Mode::Blocking, options)?;
    Ok(Connection::new(fd, options.descriptor_policy()))
}

/// Two connections, each the other's peer, without any name.
///
/// # Errors
/// Those of `socketpair(2)`.
pub fn pair(options: &AdoptOptions) -> Result<(Connection, Connection)> {
    let (one, other) = socket::pair(Mode::Blocking, options)?;
    let policy = options.descriptor_policy();
    Ok((Connection::new(one, policy), Connection::new(other, policy)))
}
