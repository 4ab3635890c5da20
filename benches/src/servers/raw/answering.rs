//! What a sink answers.

use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, send};

/// Sends how many bytes came: 8 bytes, the lowest first. They always fit, being all that is ever
/// sent, so that no loop has to wait, and none has to keep them for the kernel.
pub(super) fn answer(fd: &impl AsRawFd, count: u64) -> nix::Result<()> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    send(fd.as_raw_fd(), &count.to_le_bytes(), flags).map(drop)
}
