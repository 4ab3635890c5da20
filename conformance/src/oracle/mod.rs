//! The peers that cases talk to: plain sockets of the standard library, on threads.
//!
//! They are the oracle because they share no line with the library under test.

mod beside;
mod near;
mod passing;
mod pattern;
mod peer;
mod talk;

pub use beside::{Beside, beside};
pub use passing::{Passed, receive_descriptors, send_descriptors, target};
pub use pattern::Pattern;
pub use peer::{Peer, Sleeper, close_when_asleep, peer};
pub use talk::{exchange, is_connected_to};

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};

use socket2::{Domain, Socket, Type};
use transport_core::Address;

/// A listener with a long backlog.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn listen(address: &Address) -> UnixListener {
    listen_with_backlog(address, 128)
}

/// A listener with this backlog: it admits one client more.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn listen_with_backlog(address: &Address, backlog: i32) -> UnixListener {
    let socket = bind(address, Type::STREAM);
    socket.listen(backlog).expect("a bound socket can listen");
    socket.into()
}

/// A socket that is bound and does not listen.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn bind(address: &Address, kind: Type) -> Socket {
    let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket can be made");
    near::bind(&socket, address)
        .unwrap_or_else(|error| panic!("the oracle binds {address}: {error}"));
    socket
}

/// Leaves the file of a server that is gone.
pub fn leave_stale(address: &Address) {
    drop(bind(address, Type::STREAM));
}

/// A client; waits while the server's backlog is full.
///
/// # Errors
/// Those of `connect(2)`.
pub fn connect(address: &Address) -> io::Result<UnixStream> {
    connect_bound(None, address)
}

/// A client that has a name of its own.
///
/// # Errors
/// Those of `connect(2)`.
pub fn connect_from(own: &Address, to: &Address) -> io::Result<UnixStream> {
    connect_bound(Some(own), to)
}

fn connect_bound(own: Option<&Address>, to: &Address) -> io::Result<UnixStream> {
    let socket = match own {
        Some(own) => bind(own, Type::STREAM),
        None => Socket::new(Domain::UNIX, Type::STREAM, None)?,
    };
    near::connect(&socket, to)?;
    Ok(socket.into())
}

/// A client that does not wait for a place in the backlog.
///
/// # Errors
/// `WouldBlock` if the backlog is full; those of `connect(2)`.
pub fn connect_at_once(address: &Address) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    near::connect(&socket, address)?;
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

/// Clients that take every place in the backlog of the server at `address`.
///
/// # Panics
/// If connecting fails in another way than by a full backlog.
#[must_use]
pub fn fill(address: &Address) -> Vec<UnixStream> {
    let mut clients = Vec::new();
    loop {
        match connect_at_once(address) {
            Ok(client) => clients.push(client),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return clients,
            Err(error) => panic!("filling the backlog of {address}: {error}"),
        }
    }
}
