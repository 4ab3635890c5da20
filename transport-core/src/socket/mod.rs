//! Sockets as the kernel has them: making, adopting, asking, shutting down.
//!
//! All socket creation of the library is in this folder, so that every descriptor is
//! close-on-exec from its birth (rule X1). `listener` and `dial` build on `bind`.

pub mod accept;
pub mod backoff;
mod bind;
mod dial;
mod file;
pub mod listener;
mod queued;
mod receive;
mod replace;

pub use accept::accept;
pub use backoff::Backoff;
pub use dial::{Dial, Dialled};
pub use listener::{ListenerState, adopt_listener, listen};
pub use queued::queued;
pub use receive::receive;

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, SockRef, Socket, Type};

use crate::address::{PeerAddress, wire};
use crate::descriptors;
use crate::error::{Cause, Error, Result};
use crate::options::AdoptOptions;

/// The most slices that one system call takes (`IOV_MAX`).
const MOST_SLICES: usize = 1024;

/// Whether a new socket's operations wait by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// System calls wait: the synchronous face.
    Blocking,
    /// System calls answer EAGAIN: everything that a driver drives.
    NonBlocking,
}

/// A new stream socket.
fn stream(mode: Mode) -> io::Result<Socket> {
    let kind = match mode {
        Mode::Blocking => Type::STREAM,
        Mode::NonBlocking => Type::STREAM.nonblocking(),
    };
    Socket::new(Domain::UNIX, kind, None)
}

/// Two connected stream sockets.
///
/// # Errors
/// Those of `socketpair(2)`.
pub fn pair(mode: Mode, options: &AdoptOptions) -> Result<(OwnedFd, OwnedFd)> {
    let made = || -> io::Result<(OwnedFd, OwnedFd)> {
        let kind = match mode {
            Mode::Blocking => Type::STREAM,
            Mode::NonBlocking => Type::STREAM.nonblocking(),
        };
        let (one, other) = Socket::pair(Domain::UNIX, kind, None)?;
        descriptors::apply(one.as_fd(), options.descriptors)?;
        descriptors::apply(other.as_fd(), options.descriptors)?;
        Ok((one.into(), other.into()))
    };
    made().map_err(|e| Error::new("make a pair", None, e))
}

/// Checks that `fd` is a connected Unix stream socket, and sets it close-on-exec and as `mode`
/// says.
///
/// # Errors
/// [`Cause::WrongDescriptor`] if it is not.
pub fn adopt_connection(fd: OwnedFd, mode: Mode, options: &AdoptOptions) -> Result<OwnedFd> {
    let failed = |cause: Cause| Error::new("adopt a connection", None, cause);
    let socket = SockRef::from(&fd);
    check_unix_stream(&socket).map_err(failed)?;
    if socket.is_listener().map_err(|e| failed(e.into()))? {
        return Err(failed(Cause::WrongDescriptor("the socket is a listener")));
    }
    if let Err(e) = peer_address(fd.as_fd()) {
        return Err(failed(match e.raw_os_error() {
            Some(libc::ENOTCONN) => Cause::WrongDescriptor("the socket is not connected"),
            _ => e.into(),
        }));
    }
    prepare_adopted(&socket, mode).map_err(|e| failed(e.into()))?;
    descriptors::apply(fd.as_fd(), options.descriptors).map_err(|e| failed(e.into()))?;
    Ok(fd)
}

fn check_unix_stream(socket: &Socket) -> Result<(), Cause> {
    let domain = match socket.domain() {
        Err(e) if e.raw_os_error() == Some(libc::ENOTSOCK) => {
            return Err(Cause::WrongDescriptor("the descriptor is not a socket"));
        }
        domain => domain?,
    };
    match domain == Domain::UNIX && socket.r#type()? == Type::STREAM {
        true => Ok(()),
        false => Err(Cause::WrongDescriptor("the descriptor is not a Unix stream socket")),
    }
}

fn prepare_adopted(socket: &Socket, mode: Mode) -> io::Result<()> {
    socket.set_cloexec(true)?;
    socket.set_nonblocking(mode == Mode::NonBlocking)
}

/// The name that the peer gave itself (rule A7).
///
/// # Errors
/// Those of `getpeername(2)`.
pub fn peer_address(fd: BorrowedFd<'_>) -> io::Result<PeerAddress> {
    SockRef::from(&fd).peer_addr().map(|address| wire::decode(&address))
}

/// The memory that may be queued towards the peer, as the kernel counts it.
///
/// # Errors
/// Those of `getsockopt(SO_SNDBUF)`.
pub fn send_buffer(fd: BorrowedFd<'_>) -> io::Result<usize> {
    SockRef::from(&fd).send_buffer_size()
}

/// Asks for a send buffer; the kernel doubles the number.
///
/// # Errors
/// Those of `setsockopt(SO_SNDBUF)`.
pub fn set_send_buffer(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    SockRef::from(&fd).set_send_buffer_size(bytes)
}

/// Whether reading, or accepting, would answer at once; takes nothing.
///
/// # Errors
/// Those of `poll(2)`.
pub fn is_readable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut asked = [PollFd::new(fd, PollFlags::POLLIN)];
    Ok(poll(&mut asked, PollTimeout::ZERO)? > 0)
}

/// Shuts a direction down. That the other side is already gone is no error (rule S1).
///
/// # Errors
/// Those of `shutdown(2)` but ENOTCONN.
pub fn shutdown(fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
    match SockRef::from(&fd).shutdown(how) {
        Err(e) if e.raw_os_error() == Some(libc::ENOTCONN) => Ok(()),
        other => other,
    }
}

/// One `send(2)` that never raises SIGPIPE (rule S3).
///
/// # Errors
/// Those of `send(2)`.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(&fd).send_with_flags(bytes, libc::MSG_NOSIGNAL)
}

/// One `sendmsg(2)` over slices that [`sendable`] chose.
///
/// # Errors
/// Those of `sendmsg(2)`.
pub fn send_vectored(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    SockRef::from(&fd).send_vectored_with_flags(slices, libc::MSG_NOSIGNAL)
}

/// The slices from the first that has bytes on, as many as one system call takes; none if there
/// is nothing to send (rule S5).
#[must_use]
pub fn sendable<'s, 'b>(slices: &'s [IoSlice<'b>]) -> &'s [IoSlice<'b>] {
    let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(slices.len());
    &slices[first..slices.len().min(first + MOST_SLICES)]
}
