//! How much can be read without waiting.
#![expect(unsafe_code, reason = "ioctl(2) has no safe form for SIOCINQ")]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// The bytes in the receive queue, exactly: on a Unix stream `SIOCINQ` (which is `FIONREAD`)
/// counts the whole queue.
///
/// # Errors
/// Those of `ioctl(2)`.
pub fn queued(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: c_int = 0;
    // SAFETY: FIONREAD writes one `int`, to which the pointer leads.
    let answer = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    Errno::result(answer)?;
    usize::try_from(count).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))
}
