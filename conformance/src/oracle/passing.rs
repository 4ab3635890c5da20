//! Descriptors over plain sockets: what a peer that is not the library sends and receives.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::{cmsg_space, errno::Errno, unistd};

/// The most descriptors that one message carries (`SCM_MAX_FD`).
const MOST: usize = 253;

/// Sends `bytes` with `descriptors` in one message.
///
/// # Errors
/// Those of `sendmsg(2)`.
pub fn send_descriptors(
    from: &impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let control = [ControlMessage::ScmRights(&numbers)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(from.as_fd().as_raw_fd(), &[IoSlice::new(bytes)], &control, flags, None)
}

/// Receives one message: its bytes and its descriptors.
///
/// # Panics
/// If that fails, or if descriptors were cut off.
#[must_use]
pub fn receive_descriptors(at: &impl AsFd) -> (Vec<u8>, Passed) {
    let mut bytes = vec![0; 1024];
    let mut control = cmsg_space!([RawFd; MOST]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(at.as_fd().as_raw_fd(), &mut slices, Some(&mut control), flags);
    let message = message.expect("a message is queued");
    let mut passed = Passed::default();
    for control in message.cmsgs().expect("the room was enough") {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            passed.numbers.extend(numbers);
        }
    }
    let count = message.bytes;
    bytes.truncate(count);
    (bytes, passed)
}

/// Descriptors that a plain socket received. They close when this is dropped.
#[derive(Debug, Default)]
pub struct Passed {
    numbers: Vec<RawFd>,
}

impl Passed {
    /// What each refers to.
    #[must_use]
    pub fn targets(&self) -> Vec<PathBuf> {
        self.numbers.iter().map(|&number| target_of(number)).collect()
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        for number in self.numbers.drain(..) {
            _ = unistd::close(number); // an error would show in the case's census
        }
    }
}

/// What a descriptor refers to, as `/proc` shows it.
///
/// # Panics
/// If it is not open.
#[must_use]
pub fn target(descriptor: &impl AsFd) -> PathBuf {
    target_of(descriptor.as_fd().as_raw_fd())
}

fn target_of(number: RawFd) -> PathBuf {
    std::fs::read_link(format!("/proc/self/fd/{number}")).expect("the descriptor is open")
}
