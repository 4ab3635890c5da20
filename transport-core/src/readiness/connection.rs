//! A connection over readiness: two halves that share a source.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};

use crate::closer::CloseTarget;
use crate::duplex::Duplex;
use crate::error::closed;
use crate::options::Descriptors;
use crate::reactor::{Interest, Progress, Reactor, SharedFd, Source};
use crate::readiness::Context;
use crate::readiness::read::ReadyReadHalf;
use crate::readiness::short_reads::{History, ShortReads};
use crate::readiness::write::ReadyWriteHalf;
use crate::socket;

/// What both halves share. The descriptor closes when the second half is dropped.
pub(super) struct Shared<R: Reactor> {
    source: R::Source,
    closed: AtomicBool,
    pub(super) context: Arc<Context<R>>,
    /// What one message may bring; 0 where descriptors are refused.
    pub(super) descriptor_limit: usize,
    /// Whether a short read means that the queue is empty: not where it may have ended at
    /// descriptors.
    pub(super) short_reads: ShortReads,
}

impl<R: Reactor> Shared<R> {
    pub(super) fn source(&self) -> &R::Source {
        &self.source
    }

    /// A second number for the same socket: the first one closes with the handle, which is closed
    /// from now on, and the connection, which nobody shuts down, goes on.
    pub(super) fn release(&self) -> io::Result<OwnedFd> {
        self.check_open()?;
        let released = self.as_fd().try_clone_to_owned()?;
        self.closed.store(true, Ordering::Release);
        Ok(released)
    }

    pub(super) fn check_open(&self) -> io::Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    /// An operation in one direction: fails once the connection was closed from elsewhere.
    pub(super) fn poll_io<T>(
        &self,
        cx: &mut task::Context<'_>,
        interest: Interest,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> Poll<io::Result<T>> {
        self.check_open()?;
        let answer = self.source.poll_io(cx, interest, attempt);
        self.check_open()?;
        answer
    }
}

impl<R: Reactor> AsFd for Shared<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl<R: Reactor> CloseTarget for Shared<R> {
    fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // Makes both directions ready, which wakes whoever waits. An error would mean that it
            // is over anyway.
            _ = socket::shutdown(self.as_fd(), Shutdown::Both);
        }
    }

    fn drain(&self) {
        // Released, the socket is somebody else's.
        if !self.is_closed() {
            // As above.
            _ = socket::shutdown(self.as_fd(), Shutdown::Read);
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// A connected stream.
pub type ReadyConnection<R> = Duplex<ReadyReadHalf<R>>;

/// Registers `fd` and makes a connection of it.
pub(super) fn connect<R: Reactor>(
    context: Arc<Context<R>>,
    fd: SharedFd,
    descriptors: Descriptors,
    history: History,
) -> io::Result<ReadyConnection<R>> {
    let source = context.reactor.register(fd)?;
    let shared = Arc::new(Shared {
        source,
        closed: AtomicBool::new(false),
        context,
        descriptor_limit: descriptors.limit(),
        short_reads: ShortReads::new(descriptors, history),
    });
    let read = ReadyReadHalf::new(Arc::clone(&shared));
    Ok(Duplex::new(read, ReadyWriteHalf::new(shared)))
}
