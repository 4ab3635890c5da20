//! A descriptor with several owners.
#![expect(unsafe_code, reason = "borrows the descriptor by the number that it remembers")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Weak};

/// A descriptor that a handle, its reactor's source and operations in flight keep open together: it
/// closes with the last of them. Each remembers the number, which every system call needs, so that
/// only whoever comes or goes touches what they share.
#[derive(Clone, Debug)]
pub struct SharedFd {
    owner: Arc<OwnedFd>,
    number: RawFd,
    is_new: bool,
}

impl SharedFd {
    /// The first owner. The descriptor may have duplicates elsewhere.
    #[must_use]
    pub fn new(fd: OwnedFd) -> SharedFd {
        SharedFd { number: fd.as_raw_fd(), owner: Arc::new(fd), is_new: false }
    }

    /// The first owner of a socket that was made just now and that nobody else has had.
    #[must_use]
    pub fn of_new_socket(fd: OwnedFd) -> SharedFd {
        SharedFd { is_new: true, ..SharedFd::new(fd) }
    }

    /// Whether the socket closes with this value: it was [new](Self::of_new_socket), and nobody else owns
    /// it, or can come to. Whoever had its number meanwhile may still have duplicated it.
    #[must_use]
    pub fn closes_socket(&mut self) -> bool {
        self.is_new && Arc::get_mut(&mut self.owner).is_some()
    }

    /// A reference that does not keep it open.
    #[must_use]
    pub fn downgrade(&self) -> WeakFd {
        WeakFd(Arc::downgrade(&self.owner))
    }
}

impl AsFd for SharedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the owner keeps this number open as long as this value lives.
        unsafe { BorrowedFd::borrow_raw(self.number) }
    }
}

impl AsRawFd for SharedFd {
    fn as_raw_fd(&self) -> RawFd {
        self.number
    }
}

/// A descriptor, if it is still open.
#[derive(Clone, Debug)]
pub struct WeakFd(Weak<OwnedFd>);

impl WeakFd {
    /// One more owner, if there is one.
    #[must_use]
    pub fn upgrade(&self) -> Option<SharedFd> {
        let owner = self.0.upgrade()?;
        Some(SharedFd { number: owner.as_raw_fd(), owner, is_new: false })
    }

    /// Whether nobody owns it any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.strong_count() == 0
    }
}
