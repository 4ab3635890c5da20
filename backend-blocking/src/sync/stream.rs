//! A connected blocking socket, as the connection, its halves and its closer share it.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::uio::readv;
use socket2::SockRef;
use transport_core::closer::CloseTarget;
use transport_core::descriptors::{self, Received};
use transport_core::error::{closed, timed_out, unsupported};
use transport_core::{Chunk, Descriptors, Interest, ReadCursor, socket};

/// The most slices that one system call takes (`IOV_MAX`).
const MOST_SLICES: usize = 1024;

/// The kernel counts timeouts in microseconds, and zero is none.
const SHORTEST_TIMEOUT: Duration = Duration::from_micros(1);

/// The socket and what is known of it. The descriptor closes with the last owner.
#[derive(Debug)]
pub(super) struct Stream {
    fd: OwnedFd,
    closed: AtomicBool,
    /// What one message may bring; 0 where descriptors are refused.
    descriptor_limit: usize,
    /// Bytes of a message whose descriptors were refused: the next read's.
    held: Mutex<Chunk>,
    /// Whether there may be any.
    holds: AtomicBool,
}

impl Stream {
    pub(super) fn new(fd: OwnedFd, descriptors: Descriptors) -> Stream {
        Stream {
            fd,
            closed: AtomicBool::new(false),
            descriptor_limit: descriptors.limit(),
            held: Mutex::default(),
            holds: AtomicBool::new(false),
        }
    }

    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut into = ReadCursor::new(into);
        if into.remaining() == 0 {
            return Ok(0);
        }
        match self.read_held(&mut into)? {
            0 => self.attempt(Interest::Read, |fd| socket::receive(fd, &mut into)),
            held => Ok(held),
        }
    }

    pub(super) fn read_vectored(&self, slices: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Some(first) = slices.iter().position(|slice| !slice.is_empty()) else {
            return Ok(0);
        };
        let end = slices.len().min(first + MOST_SLICES);
        let slices = &mut slices[first..end];
        match self.read_held(&mut ReadCursor::new(&mut slices[0]))? {
            0 => self.attempt(Interest::Read, |fd| Ok(readv(fd, slices)?)),
            held => Ok(held),
        }
    }

    pub(super) fn read_descriptors(&self, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        if self.descriptor_limit == 0 {
            return Err(unsupported("descriptors are refused here"));
        }
        let mut came = Vec::new();
        let mut into = ReadCursor::new(into);
        let count = match self.read_held(&mut into)? {
            0 => self.attempt(Interest::Read, |fd| {
                match descriptors::receive(fd, &mut into, self.descriptor_limit, &mut came)? {
                    Received::Bytes(count) => Ok(count),
                    Received::Refused { bytes, error } => {
                        self.hold(bytes);
                        Err(error)
                    }
                }
            })?,
            held => held,
        };
        Ok((count, came))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.attempt(Interest::Write, |fd| socket::send(fd, bytes))
    }

    pub(super) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = socket::sendable(slices);
        if slices.is_empty() {
            return Ok(0);
        }
        self.attempt(Interest::Write, |fd| socket::send_vectored(fd, slices))
    }

    pub(super) fn write_descriptors(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        self.attempt(Interest::Write, |fd| descriptors::send(fd, bytes, descriptors))
    }

    /// One system call, again after EINTR. Closing from elsewhere ends it without a count or with
    /// an error, so the flag is looked at again only then.
    fn attempt(
        &self,
        direction: Interest,
        mut operation: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            self.check_open()?;
            match operation(self.fd.as_fd()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.check_open()?;
                    return Err(if self.timeout(direction)?.is_some() { timed_out() } else { e });
                }
                Ok(count) if count > 0 => return Ok(count),
                ended => return self.check_open().and(ended),
            }
        }
    }

    fn check_open(&self) -> io::Result<()> {
        match self.is_closed() {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    fn timeout(&self, direction: Interest) -> io::Result<Option<Duration>> {
        let socket = SockRef::from(&self.fd);
        match direction {
            Interest::Read => socket.read_timeout(),
            Interest::Write => socket.write_timeout(),
        }
    }

    pub(super) fn set_timeout(
        &self,
        direction: Interest,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a timeout of zero"));
        }
        let socket = SockRef::from(&self.fd);
        let timeout = timeout.map(|timeout| timeout.max(SHORTEST_TIMEOUT));
        match direction {
            Interest::Read => socket.set_read_timeout(timeout),
            Interest::Write => socket.set_write_timeout(timeout),
        }
    }

    pub(super) fn shut_down(&self, how: Shutdown) -> io::Result<()> {
        socket::shutdown(self.fd.as_fd(), how)
    }

    pub(super) fn queued(&self) -> io::Result<usize> {
        Ok(self.held().len() + socket::queued(self.fd.as_fd())?)
    }

    pub(super) fn into_parts(self) -> (OwnedFd, Chunk) {
        (self.fd, self.held.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn hold(&self, bytes: Chunk) {
        let mut held = self.held();
        *held = match held.is_empty() {
            true => bytes,
            false => Chunk::from([&held[..], &bytes].concat()),
        };
        self.holds.store(true, Ordering::Release);
    }

    pub(super) fn take_held(&self) -> Chunk {
        std::mem::take(&mut *self.held())
    }

    fn read_held(&self, into: &mut ReadCursor<'_>) -> io::Result<usize> {
        if !self.holds.load(Ordering::Acquire) {
            return Ok(0);
        }
        self.check_open()?;
        let mut held = self.held();
        let copied = into.put(&held);
        held.advance(copied);
        self.holds.store(!held.is_empty(), Ordering::Release);
        Ok(copied)
    }

    fn held(&self) -> MutexGuard<'_, Chunk> {
        // Nothing panics inside, and nothing waits.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CloseTarget for Stream {
    fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // Wakes who waits in `recv` or `send`. An error would mean that it is over anyway.
            _ = self.shut_down(Shutdown::Both);
        }
    }

    fn drain(&self) {
        // As above.
        _ = self.shut_down(Shutdown::Read);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
