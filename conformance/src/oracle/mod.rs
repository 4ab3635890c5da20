//! The peers that cases talk to: plain sockets of the standard library, on threads.
//!
//! They are the oracle because they share no line with the library under test. Addresses that the
//! standard library can't express, paths of 108 bytes and more, are reached through a descriptor
//! of their directory, which leads to the same file by another way.

mod peer;
mod talk;

pub use peer::{Peer, Sleeper, peer};
pub use talk::{exchange, is_connected_to};

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::libc;
use socket2::{Domain, SockAddr, Socket, Type};
use transport_core::Address;

/// The longest path that the standard library binds and connects to.
const LONGEST_PLAIN_PATH: usize = 107;

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
    let near = Near::of(address);
    socket
        .bind(&near.address)
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
    socket.connect(&Near::of(to).address)?;
    Ok(socket.into())
}

/// A client that does not wait for a place in the backlog.
///
/// # Errors
/// `WouldBlock` if the backlog is full; those of `connect(2)`.
pub fn connect_at_once(address: &Address) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&Near::of(address).address)?;
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

/// An address by a way that is short enough for the standard library.
struct Near {
    address: SockAddr,
    _directory: Option<File>,
}

impl Near {
    fn of(address: &Address) -> Near {
        let (path, directory) = match address {
            Address::Path(path) => short_way(path.as_path()),
            Address::Abstract(name) => (PathBuf::from(OsStr::from_bytes(name.as_bytes())), None),
            Address::Unnamed => panic!("the oracle has no business with the unnamed address"),
        };
        let address = SockAddr::unix(path).expect("the way is short");
        Near { address, _directory: directory }
    }
}

fn short_way(path: &Path) -> (PathBuf, Option<File>) {
    if path.as_os_str().len() <= LONGEST_PLAIN_PATH {
        return (path.to_owned(), None);
    }
    let (parent, name) = (path.parent(), path.file_name());
    let parent = parent.expect("an address is an absolute path");
    let name = name.expect("a long address ends in a file name");
    let directory = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(parent)
        .expect("the directory of a long path exists");
    let way = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    (way, Some(directory))
}
