//! Passing descriptors leaks none, on any path. A process of its own, because it counts the
//! process's descriptors and lowers its limit; one test after the other, for the same reason.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use transport_core::ReadCursor;
use transport_core::descriptors::{Received, receive, send};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux has it").count()
}

fn assert_refused(from: &UnixStream, limit: usize) {
    let (mut buf, mut descriptors) = ([0; 16], Vec::new());
    let answer = receive(from.as_fd(), &mut ReadCursor::new(&mut buf), limit, &mut descriptors);
    let Ok(Received::Refused { bytes, error }) = answer else {
        panic!("not refused: {answer:?}");
    };
    assert_eq!((&bytes[..], error.kind()), (&b"abc"[..], ErrorKind::InvalidData));
    assert!(descriptors.is_empty());
}

#[test]
fn what_is_over_the_limit_is_closed() {
    let _alone = alone();
    let (one, other) = UnixStream::pair().expect("a pair");
    let before = open_descriptors();
    for (count, limit) in [(1, 0), (2, 1), (3, 2), (10, 5), (253, 252)] {
        send(one.as_fd(), b"abc", &vec![one.as_fd(); count]).expect("sent");
        assert_refused(&other, limit);
        assert_eq!(open_descriptors(), before, "{count} where {limit} may come");
    }
}

#[test]
fn a_plain_read_closes_what_comes_along() {
    let _alone = alone();
    let (one, mut other) = UnixStream::pair().expect("a pair");
    let before = open_descriptors();
    send(one.as_fd(), b"abc", &[one.as_fd(); 3]).expect("sent");
    assert_eq!(other.read(&mut [0; 16]).expect("read"), 3);
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_full_table_is_an_error_and_leaks_nothing() {
    let _alone = alone();
    let (one, other) = UnixStream::pair().expect("a pair");
    let before = open_descriptors();
    send(one.as_fd(), b"abc", &[one.as_fd(); 5]).expect("sent");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("asked");
    // The next free number is above these two, so that at most some of the five fit.
    let next = other.try_clone().expect("open").as_raw_fd();
    let limit = u64::try_from(next).expect("a number") + 2;
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("lowered");
    assert_refused(&other, 253);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("raised");
    assert_eq!(open_descriptors(), before);
}

#[test]
fn other_control_messages_are_ignored() {
    let _alone = alone();
    let (one, other) = UnixStream::pair().expect("a pair");
    setsockopt(&other, sockopt::PassCred, &true).expect("set");
    let before = open_descriptors();
    for limit in [1, 253] {
        send(one.as_fd(), b"abc", &[one.as_fd()]).expect("sent");
        let (mut buf, mut descriptors) = ([0; 16], Vec::new());
        let mut cursor = ReadCursor::new(&mut buf);
        let answer = receive(other.as_fd(), &mut cursor, limit, &mut descriptors);
        assert!(matches!(answer, Ok(Received::Bytes(3))), "{answer:?}");
        assert_eq!(open_descriptors(), before + 1);
        drop(descriptors);
        assert_eq!(open_descriptors(), before);
    }
}
