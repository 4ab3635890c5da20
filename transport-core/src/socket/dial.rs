//! Connecting: one attempt after the other while the server's backlog is full (rule C1).
//!
//! A full backlog makes a non-blocking `connect(2)` answer EAGAIN at once, and the socket is then
//! reported writable all the same, so readiness can't be waited for. Hence pauses that grow.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::address::{Address, wire::WireAddress};
use crate::descriptors;
use crate::error::{Cause, Error, Result};
use crate::options::ConnectOptions;
use crate::socket::{Backoff, Mode, stream};

/// A connection being made. Dropping it leaves nothing: an attempt that failed is not in the
/// server's queue.
#[derive(Debug)]
pub struct Dial<'a> {
    to: &'a Address,
    socket: Socket,
    wait: Wait,
    backoff: Backoff,
}

/// How long a full backlog is waited for.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Never,
    Until(Instant),
    Always,
}

/// What an attempt came to.
#[derive(Debug)]
pub enum Dialled<'a> {
    /// It is connected.
    Connected(OwnedFd),
    /// The backlog is full: try again after this pause, which ends no later than the deadline.
    Full(Dial<'a>, Duration),
}

impl<'a> Dial<'a> {
    /// Gets ready to connect: makes the socket. The timeout counts from here.
    ///
    /// # Errors
    /// EMFILE and the like; the unnamed address.
    pub fn new(to: &'a Address, options: &ConnectOptions, mode: Mode) -> Result<Dial<'a>> {
        let failed = |cause: Cause| Error::new("connect to", Some(to), cause);
        if *to == Address::Unnamed {
            return Err(failed(Cause::NotForAddress("nothing listens on the unnamed address")));
        }
        let socket = stream(mode).map_err(|e| failed(e.into()))?;
        descriptors::apply(socket.as_fd(), options.descriptors).map_err(|e| failed(e.into()))?;
        let wait = match options.timeout {
            None => Wait::Always,
            Some(Duration::ZERO) => Wait::Never,
            // A timeout beyond the clock's range is no deadline.
            Some(timeout) => Instant::now().checked_add(timeout).map_or(Wait::Always, Wait::Until),
        };
        Ok(Dial { to, socket, wait, backoff: Backoff::connect() })
    }

    /// One non-blocking attempt.
    ///
    /// # Errors
    /// Rule C2; [`Cause::BacklogFull`] and [`Cause::TimedOut`] where the options ask for them.
    pub fn attempt(mut self) -> Result<Dialled<'a>> {
        let error = loop {
            let attempt =
                WireAddress::of(self.to).and_then(|to| self.socket.connect(to.as_sock_addr()));
            match attempt {
                Ok(()) => return Ok(Dialled::Connected(self.socket.into())),
                Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
                Err(e) => break e,
            }
        };
        match error.raw_os_error() {
            Some(libc::EAGAIN) => {
                let pause = self.pause()?;
                Ok(Dialled::Full(self, pause))
            }
            _ => Err(self.failed(error)),
        }
    }

    /// The error of this operation for what `connect(2)` answered.
    fn failed(&self, cause: impl Into<Cause>) -> Error {
        let cause = match cause.into() {
            Cause::System(e) if e.raw_os_error() == Some(libc::EPROTOTYPE) => {
                Cause::WrongSocketType
            }
            cause => cause,
        };
        Error::new("connect to", Some(self.to), cause)
    }

    fn pause(&mut self) -> Result<Duration> {
        match self.wait {
            Wait::Never => Err(self.failed(Cause::BacklogFull)),
            Wait::Always => Ok(self.backoff.pause()),
            Wait::Until(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Err(self.failed(Cause::TimedOut)),
                left => Ok(self.backoff.pause().min(left)),
            },
        }
    }

    /// One attempt that waits in the kernel, which wakes it as soon as there is room; for sockets
    /// made with [`Mode::Blocking`].
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub fn wait(self) -> Result<OwnedFd> {
        loop {
            let limit = match self.wait {
                Wait::Always => None,
                Wait::Never => return self.attempt_once_in_blocking_mode(),
                Wait::Until(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    Some(left.max(Duration::from_micros(1)))
                }
            };
            if limit.is_some() {
                self.socket.set_write_timeout(limit).map_err(|e| self.failed(e))?;
            }
            let attempt =
                WireAddress::of(self.to).and_then(|to| self.socket.connect(to.as_sock_addr()));
            match attempt {
                Ok(()) if limit.is_some() => {
                    self.socket.set_write_timeout(None).map_err(|e| self.failed(e))?;
                    return Ok(self.socket.into());
                }
                Ok(()) => return Ok(self.socket.into()),
                Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
                Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => {
                    return Err(self.failed(Cause::TimedOut));
                }
                Err(e) => return Err(self.failed(e)),
            }
        }
    }

    fn attempt_once_in_blocking_mode(self) -> Result<OwnedFd> {
        self.socket.set_nonblocking(true).map_err(|e| self.failed(e))?;
        match self.attempt()? {
            Dialled::Connected(fd) => {
                let socket = Socket::from(fd);
                // Clearing a flag of a socket that exists can't fail.
                _ = socket.set_nonblocking(false);
                Ok(socket.into())
            }
            Dialled::Full(dial, _) => Err(dial.failed(Cause::BacklogFull)),
        }
    }
}
