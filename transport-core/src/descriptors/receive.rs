//! One `recvmsg(2)` that takes the descriptors that came with the bytes.
#![expect(unsafe_code, reason = "recvmsg(2) into uninitialised memory, and new descriptors")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use crate::chunk::Chunk;
use crate::cursor::ReadCursor;
use crate::descriptors::control::{self, Buffer};

/// What a [`receive`] came to.
#[derive(Debug)]
pub enum Received {
    /// So many bytes are in the cursor, and the descriptors that came with them in the vector;
    /// 0 is the end of the stream, or a cursor without room.
    Bytes(usize),
    /// The message brought more descriptors than it may, or than this process has room for. All
    /// of them are closed, the cursor and the vector are as they were. The caller answers the
    /// error, and keeps the bytes for the next read.
    Refused {
        /// What the message's data was: at least one byte.
        bytes: Chunk,
        /// `InvalidData`, which says why.
        error: io::Error,
    },
}

/// Receives bytes into the cursor, and appends the descriptors that came with them, close-on-exec,
/// to `descriptors`. They come once, with the first of their message's bytes, and two messages
/// with descriptors never merge (rule K2); bytes without any that were queued before may stand in
/// front of them. Never peeks, never takes out-of-band data.
///
/// Blocks until there are bytes, if `fd` is a blocking socket. Allocates nothing but the room in
/// the vector and the bytes of a refused message.
///
/// # Errors
/// Those of `recvmsg(2)`; nothing was received then.
pub fn receive(
    fd: BorrowedFd<'_>,
    into: &mut ReadCursor<'_>,
    limit: usize,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<Received> {
    if into.remaining() == 0 {
        return Ok(Received::Bytes(0));
    }
    // SAFETY: the kernel writes only initialised bytes there.
    let room = unsafe { into.unfilled() };
    let mut slice = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let mut buffer = Buffer::new();
    let control = buffer.room(limit);
    // SAFETY: a message header without addresses, buffers and flags.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = control.len() as _;
    // SAFETY: the header leads to one slice and one buffer with their true lengths, all of which
    // live until the call is over.
    let count = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let count = usize::try_from(Errno::result(count)?).unwrap_or_default();

    let before = descriptors.len();
    for message in control::messages(&control[..header.msg_controllen as usize]) {
        for number in message.numbers() {
            // SAFETY: the kernel has just opened it for this process, and told only this call.
            let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
            // A pidfd that nobody asked for is closed here.
            if message.is_rights() {
                descriptors.push(descriptor);
            }
        }
    }
    let is_cut_off = header.msg_flags & libc::MSG_CTRUNC != 0;
    if let Some(why) = refusal(descriptors.len() - before, limit, is_cut_off) {
        descriptors.truncate(before);
        // SAFETY: the kernel wrote that many bytes.
        let bytes = Chunk::from(unsafe { room[..count].assume_init_ref() });
        return Ok(Received::Refused {
            bytes,
            error: io::Error::new(io::ErrorKind::InvalidData, why),
        });
    }
    // SAFETY: the kernel wrote that many bytes.
    unsafe { into.advance(count) };
    Ok(Received::Bytes(count))
}

fn refusal(came: usize, limit: usize, is_cut_off: bool) -> Option<&'static str> {
    if came > limit {
        return Some("a message brought more descriptors than the limit");
    }
    // Too many for the buffer, or no free number in this process's table.
    is_cut_off.then_some("a message brought more descriptors than there is room for")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;
    use crate::descriptors::send;

    fn received(from: &UnixStream, size: usize, limit: usize) -> (Vec<u8>, Vec<OwnedFd>) {
        let (mut bytes, mut descriptors) = (vec![0; size], Vec::new());
        let mut cursor = ReadCursor::new(&mut bytes);
        let answer = receive(from.as_fd(), &mut cursor, limit, &mut descriptors);
        assert!(matches!(answer, Ok(Received::Bytes(n)) if n == cursor.filled_len()));
        (cursor.filled().to_vec(), descriptors)
    }

    #[test]
    fn one_and_253_arrive_close_on_exec() {
        let (one, other) = UnixStream::pair().expect("a pair");
        for count in [0, 1, 253] {
            send(one.as_fd(), b"abc", &vec![one.as_fd(); count]).expect("sent");
            let (bytes, descriptors) = received(&other, 16, 253);
            assert_eq!((&bytes[..], descriptors.len()), (&b"abc"[..], count));
            for descriptor in descriptors {
                let flags = fcntl(&descriptor, FcntlArg::F_GETFD).expect("open");
                assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
            }
        }
    }

    #[test]
    fn they_come_with_the_first_byte_and_never_merge() {
        let (mut one, other) = UnixStream::pair().expect("a pair");
        send(one.as_fd(), b"abc", &[one.as_fd()]).expect("sent");
        send(one.as_fd(), b"def", &[one.as_fd(), one.as_fd()]).expect("sent");
        one.write_all(b"ghi").expect("written");
        let came: Vec<_> = (0..4)
            .map(|size| received(&other, [1, 2, 16, 16][size], 2))
            .map(|(bytes, descriptors)| {
                (String::from_utf8(bytes).expect("text"), descriptors.len())
            })
            .collect();
        let expected = [("a", 1), ("bc", 0), ("def", 2), ("ghi", 0)];
        assert_eq!(came, expected.map(|(bytes, count)| (bytes.to_owned(), count)));
    }

    #[test]
    fn a_refused_message_keeps_its_bytes() {
        let (one, other) = UnixStream::pair().expect("a pair");
        for (count, limit) in [(1, 0), (2, 1), (3, 2), (253, 1)] {
            send(one.as_fd(), b"abc", &vec![one.as_fd(); count]).expect("sent");
            let (mut buf, mut descriptors) = ([0; 16], Vec::new());
            let mut cursor = ReadCursor::new(&mut buf);
            let answer = receive(other.as_fd(), &mut cursor, limit, &mut descriptors);
            let Ok(Received::Refused { bytes, error }) = answer else {
                panic!("{count} descriptors where {limit} may come: {answer:?}");
            };
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!((&bytes[..], cursor.filled_len()), (&b"abc"[..], 0));
            assert!(descriptors.is_empty());
        }
    }

    #[test]
    fn no_room_is_no_system_call_and_the_end_is_no_bytes() {
        let (one, other) = UnixStream::pair().expect("a pair");
        assert!(received(&other, 0, 1).0.is_empty());
        drop(one);
        assert!(received(&other, 16, 1).0.is_empty());
    }
}
