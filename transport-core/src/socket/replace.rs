//! Putting another open file under a descriptor's number, atomically.
#![expect(unsafe_code, reason = "dup3(2) onto a shared descriptor has no safe form")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use crate::reactor::SharedFd;

/// Closes what `fd` stands for and lets it stand for what `by` does; the number never becomes
/// free in between.
pub(super) fn replace(fd: &SharedFd, by: &impl AsFd) -> io::Result<()> {
    let by = by.as_fd().as_raw_fd();
    // SAFETY: both numbers are open, and `fd` stays owned by the same owner: it only stands for
    // another open file, which its users, who all check the listener's phase, expect.
    let answer = unsafe { libc::dup3(by, fd.as_raw_fd(), libc::O_CLOEXEC) };
    Errno::result(answer)?;
    Ok(())
}
