//! Echo servers written directly on system calls, without a task, a trait or a waker between them
//! and the kernel: the limit that a backend is measured against. ([`epoll_tasks()`] has tasks and
//! wakers, and nothing else: the limit of what runs futures.)
//!
//! Each is the fastest that could be found for its technique. They stop only with their process,
//! and an error that is not one connection's ends them.

mod blocking;
mod buffers;
mod epoll;
mod epoll_tasks;
mod queue;
mod ready;
mod ring;
mod ring_borrowed;
mod ring_owned;

pub(super) use blocking::serve as blocking;
pub(super) use epoll::serve as epoll;
pub(super) use epoll_tasks::serve as epoll_tasks;
pub(super) use queue::probe as probe_ring;
pub(super) use ring::serve as ring;
pub(super) use ring_borrowed::serve as ring_borrowed;
pub(super) use ring_owned::serve as ring_owned;

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket,
};

/// How much is received at once, in bytes: as our servers and the peers do, so that the size is
/// not what is compared.
const BUFFER: usize = 64 * 1024;

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 4096;

/// A listener at `path` that does not block, in a process that may have as many connections as
/// the system allows.
fn listener(path: &Path) -> io::Result<OwnedFd> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener)
}

/// Accepts a client, if one waits.
#[expect(unsafe_code, reason = "owns the descriptor that accept4(2) makes")]
fn accept(listener: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    loop {
        match accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            // SAFETY: the kernel just made this descriptor for us.
            Ok(accepted) => return Ok(Some(unsafe { OwnedFd::from_raw_fd(accepted) })),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
