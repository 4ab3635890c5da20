//! One `recv(2)` into memory that need not be initialised.
#![expect(unsafe_code, reason = "receives into a cursor's uninitialised memory")]

use std::io;
use std::os::fd::BorrowedFd;

use socket2::SockRef;

use crate::cursor::ReadCursor;

/// Receives into the cursor and answers how many bytes came; 0 is the end of the stream, or a
/// cursor without room. What descriptors come along are closed by the kernel.
///
/// # Errors
/// Those of `recv(2)`.
#[inline]
pub fn receive(fd: BorrowedFd<'_>, into: &mut ReadCursor<'_>) -> io::Result<usize> {
    // SAFETY: `recv` only writes what the kernel gave it, which is initialised.
    let room = unsafe { into.unfilled() };
    let received = SockRef::from(&fd).recv(room)?;
    // SAFETY: the kernel wrote that many bytes.
    unsafe { into.advance(received) };
    Ok(received)
}
