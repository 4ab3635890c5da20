//! Who is on the other side: what the kernel itself says about the peer's process.
//!
//! A peer's name and its messages are its own choice; these numbers are not. The kernel took them
//! when the client connected and when the server began to listen, so later changes of user or
//! process don't show (rule K1, `SO_PEERCRED` in `unix(7)`).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};

use crate::error;

/// The peer's process and user: a client as it was when it connected, a server as it was when it
/// began to listen, either end of a pair as it was when it made the pair (rule K1).
///
/// To let a program decide by user, use [`uid`](Self::uid). A process id can be recycled before it
/// is looked up; [`pidfd_of_peer`] can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    /// The process id as this process's pid namespace sees it; `None` if it has none there.
    pub pid: Option<u32>,
    /// The effective user id.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
}

/// The peer's credentials; still there after the peer has closed (case 130). Never blocks.
///
/// # Errors
/// Those of `getsockopt(SO_PEERCRED)`.
pub fn of_peer(fd: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let credentials = getsockopt(&fd, sockopt::PeerCredentials)?;
    Ok(PeerCredentials {
        // The kernel says 0 for a process that is outside this pid namespace.
        pid: u32::try_from(credentials.pid()).ok().filter(|&pid| pid != 0),
        uid: credentials.uid(),
        gid: credentials.gid(),
    })
}

/// A descriptor of the peer's process, close-on-exec: readable when the process ends, and never
/// another process, whatever becomes of its id (Linux 6.5). Never blocks.
///
/// # Errors
/// `Unsupported` before Linux 6.5; ESRCH or EINVAL, as the kernel says, if the process is gone and
/// reaped; ENODATA if the socket has no peer; EMFILE (`SO_PEERPIDFD` in `unix(7)`).
pub fn pidfd_of_peer(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    match getsockopt(&fd, sockopt::PeerPidfd) {
        // The kernel makes every pidfd close-on-exec (`pidfd_prepare`).
        Ok(pidfd) => Ok(pidfd),
        Err(Errno::ENOPROTOOPT) => Err(error::unsupported("a peer's pidfd needs Linux 6.5")),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn this_process() -> PeerCredentials {
        PeerCredentials {
            pid: Some(std::process::id()),
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
        }
    }

    #[test]
    fn both_ends_of_a_pair_are_this_process() {
        let (one, other) = UnixStream::pair().expect("a pair");
        assert_eq!(of_peer(one.as_fd()).expect("credentials"), this_process());
        assert_eq!(of_peer(other.as_fd()).expect("credentials"), this_process());
    }

    #[test]
    fn credentials_outlive_the_peer() {
        let (one, other) = UnixStream::pair().expect("a pair");
        drop(other);
        assert_eq!(of_peer(one.as_fd()).expect("credentials"), this_process());
    }

    #[test]
    fn a_pidfd_is_close_on_exec_and_silent_while_the_peer_lives() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        let pidfd = match pidfd_of_peer(one.as_fd()) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => return,
            answer => answer.expect("a pidfd"),
        };
        let flags = fcntl(&pidfd, FcntlArg::F_GETFD).expect("open");
        assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
        let mut waited = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut waited, PollTimeout::ZERO).expect("polled"), 0);
    }

    #[test]
    fn a_descriptor_that_is_no_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").expect("always there");
        let errno = of_peer(file.as_fd()).expect_err("no socket").raw_os_error();
        assert_eq!(errno, Some(libc::ENOTSOCK));
    }
}
