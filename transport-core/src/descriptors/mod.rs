//! Passing descriptors over a connection (`SCM_RIGHTS` in `unix(7)`), by plain system calls.
//!
//! Refused unless a program asks for them (rule K2): a descriptor that arrives uninvited costs a
//! place in the process's table, and can keep anything alive. Plain `recv(2)` needs no care here,
//! the kernel closes what came along; this folder is what receives them for those who asked, and
//! it is the same for every backend.

mod control;
mod receive;

pub use receive::{Received, receive};

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt};
use nix::{setsockopt_impl, sockopt_impl};

use crate::options::Descriptors;

/// The most descriptors that Linux carries in one message (`SCM_MAX_FD`).
const MOST: usize = Descriptors::MOST as usize;

/// `SO_PASSRIGHTS` of Linux 6.16, which neither `libc` nor `nix` has yet.
const SO_PASSRIGHTS: libc::c_int = 83;

sockopt_impl!(
    /// Whether a peer may send descriptors; accepted sockets inherit it from their listener.
    PassRights,
    SetOnly,
    libc::SOL_SOCKET,
    SO_PASSRIGHTS,
    bool
);

/// Lets the kernel refuse descriptors that are sent to `fd`, or take them, as `policy` says. On a
/// listener this holds for every connection that clients make from now on.
///
/// Before Linux 6.16 the kernel takes them always; then they are closed when the bytes that they
/// came with are read. Never blocks.
///
/// # Errors
/// Those of `setsockopt(2)` but ENOPROTOOPT.
pub fn apply(fd: BorrowedFd<'_>, policy: Descriptors) -> io::Result<()> {
    match setsockopt(&fd, PassRights, &(policy != Descriptors::Refuse)) {
        // An older kernel; reading closes what arrives.
        Err(Errno::ENOPROTOOPT) => {
            KERNEL_CANT_REFUSE.store(true, Ordering::Relaxed);
            Ok(())
        }
        answer => Ok(answer?),
    }
}

static KERNEL_CANT_REFUSE: AtomicBool = AtomicBool::new(false);

/// Whether a socket that [`apply`] told to refuse descriptors can be sure that none comes, so that
/// a short read means an empty queue. To be asked after the first `apply`.
#[must_use]
pub fn kernel_refuses() -> bool {
    !KERNEL_CANT_REFUSE.load(Ordering::Relaxed)
}

/// Sends a part of `bytes` with `descriptors` attached to its first byte, by one `sendmsg(2)`, and
/// answers how many bytes it took. With that count the descriptors are on their way, all of them;
/// the caller still owns its own, and sends the rest of the bytes without them. Never SIGPIPE.
///
/// Blocks while the send buffer is full, if `fd` is a blocking socket. Allocates the control
/// message.
///
/// # Errors
/// `InvalidInput`, before any system call, without a byte to carry the descriptors (the kernel
/// would drop them and report success) and for more than 253 of them. ETOOMANYREFS when too many
/// are in flight; EPERM if the peer refuses descriptors (Linux 6.16); those of `sendmsg(2)`.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if bytes.is_empty() {
        return refused("descriptors need at least one byte to travel with");
    }
    if descriptors.len() > MOST {
        return refused("more than 253 descriptors for one message");
    }
    let mut numbers: [RawFd; MOST] = [-1; MOST];
    for (number, descriptor) in numbers.iter_mut().zip(descriptors) {
        *number = descriptor.as_raw_fd();
    }
    let rights = [ControlMessage::ScmRights(&numbers[..descriptors.len()])];
    let control = if descriptors.is_empty() { &[][..] } else { &rights[..] };
    let slices = [IoSlice::new(bytes)];
    Ok(sendmsg::<()>(fd.as_raw_fd(), &slices, control, MsgFlags::MSG_NOSIGNAL, None)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn descriptors_without_a_byte_are_refused() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        let error = send(one.as_fd(), b"", &[one.as_fd()]).expect_err("no byte");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn two_hundred_and_fifty_four_are_refused() {
        let (one, other) = UnixStream::pair().expect("a pair");
        let error = send(one.as_fd(), b"x", &vec![one.as_fd(); 254]).expect_err("too many");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        drop(one);
        let end = std::io::Read::bytes(&other).next();
        assert!(end.is_none(), "nothing was sent");
    }

    #[test]
    fn a_refusing_socket_gets_none() {
        let (one, other) = UnixStream::pair().expect("a pair");
        apply(other.as_fd(), Descriptors::Refuse).expect("applied");
        match send(one.as_fd(), b"x", &[one.as_fd()]) {
            Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EPERM)),
            Ok(sent) => assert_eq!(sent, 1, "a kernel before 6.16"),
        }
        apply(other.as_fd(), Descriptors::Accept { limit: 1 }).expect("applied");
        assert_eq!(send(one.as_fd(), b"x", &[one.as_fd()]).expect("allowed again"), 1);
    }
}
