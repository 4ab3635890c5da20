//! Control messages as `recvmsg(2)` leaves them in its buffer (`cmsg(3)`).
//!
//! By hand, because the libraries give no access to what a cut-off buffer still holds, and the
//! descriptors in it would leak: `nix` 0.31 answers only ENOBUFS then, `socket2` hides the flag.
#![expect(unsafe_code, reason = "reads the C structure at the head of each control message")]

use std::os::fd::RawFd;

use crate::descriptors::MOST;

/// `SCM_PIDFD` of Linux 6.5: a descriptor that comes where `SO_PASSPIDFD` is set.
const SCM_PIDFD: libc::c_int = 4;

/// What an adopted socket with `SO_PASSCRED` and `SO_PASSPIDFD` adds to each message.
const OTHERS: usize = space(size_of::<libc::ucred>()) + space(size_of::<RawFd>());

const HEADER: usize = space(0);
const LARGEST: usize = space(MOST * size_of::<RawFd>()) + OTHERS;

/// Room for the control messages of one `recvmsg(2)`.
#[repr(C, align(8))]
pub(super) struct Buffer([u8; LARGEST]);

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer([0; LARGEST])
    }

    /// The part that holds `limit` descriptors. They may be one more, because the kernel rounds
    /// (CVE-2014-3635), or several, where the room for other messages stays free: count them.
    pub(super) fn room(&mut self, limit: usize) -> &mut [u8] {
        &mut self.0[..space(limit.min(MOST) * size_of::<RawFd>()) + OTHERS]
    }
}

/// How much of a buffer a message with this many bytes takes.
const fn space(payload: usize) -> usize {
    // SAFETY: arithmetic on a number, unsafe in C's macros only.
    unsafe { libc::CMSG_SPACE(payload as libc::c_uint) as usize }
}

/// One control message.
pub(super) struct Message<'a> {
    level: libc::c_int,
    kind: libc::c_int,
    payload: &'a [u8],
}

impl Message<'_> {
    /// Whether it passes descriptors that the peer sent.
    pub(super) fn is_rights(&self) -> bool {
        self.level == libc::SOL_SOCKET && self.kind == libc::SCM_RIGHTS
    }

    /// The descriptors in it, each of which its receiver must own: those that the peer sent, and
    /// a pidfd, in whose place the kernel may also put a negative error number.
    pub(super) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        let is_pidfd = self.level == libc::SOL_SOCKET && self.kind == SCM_PIDFD;
        let payload = if self.is_rights() || is_pidfd { self.payload } else { &[] };
        let (numbers, _) = payload.as_chunks();
        numbers.iter().map(|&bytes| RawFd::from_ne_bytes(bytes)).filter(|&number| number >= 0)
    }
}

/// The messages in the part of the buffer that the kernel filled. Bytes that are none end it.
pub(super) fn messages(filled: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = filled;
    std::iter::from_fn(move || {
        let (message, after) = split_first(rest)?;
        rest = after;
        Some(message)
    })
}

fn split_first(filled: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let head = filled.get(..size_of::<libc::cmsghdr>())?;
    // SAFETY: as many bytes as the structure has, read without a demand on their alignment; any
    // bytes are a valid value of its integers.
    let header = unsafe { head.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
    let payload = filled.get(HEADER..header.cmsg_len as usize)?;
    let message = Message { level: header.cmsg_level, kind: header.cmsg_type, payload };
    // The last message is not always padded.
    Some((message, filled.get(space(payload.len())..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: libc::c_int, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(HEADER + payload.len()).to_ne_bytes());
        bytes.extend_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(payload);
        bytes.resize(space(payload.len()), 0);
        bytes
    }

    fn numbers(filled: &[u8]) -> Vec<RawFd> {
        messages(filled).flat_map(|message| message.numbers().collect::<Vec<_>>()).collect()
    }

    #[test]
    fn descriptors_of_all_messages_are_found() {
        let rights = |fds: &[RawFd]| {
            let payload: Vec<u8> = fds.iter().flat_map(|fd| fd.to_ne_bytes()).collect();
            message(libc::SCM_RIGHTS, &payload)
        };
        let credentials = message(libc::SCM_CREDENTIALS, &[7; 12]);
        let no_pidfd = message(SCM_PIDFD, &(-libc::ESRCH).to_ne_bytes());
        let filled = [credentials, rights(&[3, 0, 5]), no_pidfd, rights(&[9])].concat();
        assert_eq!(numbers(&filled), [3, 0, 5, 9]);
    }

    #[test]
    fn cut_off_and_absurd_bytes_end_it() {
        let whole = message(libc::SCM_RIGHTS, &3_i32.to_ne_bytes());
        for length in 0..HEADER + size_of::<RawFd>() {
            assert_eq!(numbers(&whole[..length]), [], "{length} bytes");
        }
        assert_eq!(numbers(&[0; 64]), [], "a length below that of the header");
        assert_eq!(numbers(&[0xff; 64]), [], "a length beyond the buffer");
    }
}
