//! One `accept4(2)`: the connection, and the name that its client gave itself.
#![expect(unsafe_code, reason = "accept4(2) with flags and address has no safe form")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use socket2::{SockAddr, SockAddrStorage};

use crate::address::{PeerAddress, wire};
use crate::socket::Mode;

/// Takes one connection from the queue, close-on-exec, blocking or not as `mode` says.
///
/// # Errors
/// Those of `accept4(2)`; `WouldBlock` if none waits.
pub fn accept(listener: BorrowedFd<'_>, mode: Mode) -> io::Result<(OwnedFd, PeerAddress)> {
    let flags = match mode {
        Mode::Blocking => libc::SOCK_CLOEXEC,
        Mode::NonBlocking => libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
    };
    let mut storage = SockAddrStorage::zeroed();
    let mut length = storage.size_of();
    let to: *mut libc::sockaddr = (&raw mut storage).cast();
    // SAFETY: `to` leads to `length` bytes that the kernel may write.
    let answer = unsafe { libc::accept4(listener.as_raw_fd(), to, &raw mut length, flags) };
    let fd = Errno::result(answer)?;
    // SAFETY: the kernel has just opened it for this process, and told only this call.
    let connection = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the kernel wrote a Unix address of this length.
    let address = unsafe { SockAddr::new(storage, length) };
    Ok((connection, wire::decode(&address)))
}

/// Whether accepting again at once is right: the client went away while it was taken (rule L6).
/// EINTR is retried where the readiness is.
#[must_use]
pub fn is_retried(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECONNABORTED | libc::EPROTO))
}
