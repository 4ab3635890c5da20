//! `epoll_wait(2)`, as every load needs it: retried after a signal, never for ever.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// How long a server under load may be silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How many events are taken at once, at most.
const EVENTS: usize = 1024;

/// An epoll instance and the events that it gave last.
#[derive(Debug)]
pub(super) struct Waiter {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

impl Waiter {
    /// Room for the events of `descriptors` descriptors.
    pub(super) fn new(descriptors: usize) -> io::Result<Waiter> {
        Ok(Waiter {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            events: vec![EpollEvent::empty(); descriptors.clamp(1, EVENTS)],
        })
    }

    /// Reports `interest` in `fd` as `token`.
    pub(super) fn add(&self, fd: impl AsFd, interest: EpollFlags, token: usize) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(interest, token as u64))?)
    }

    /// Changes what is reported of `fd`.
    pub(super) fn change(
        &self,
        fd: impl AsFd,
        interest: EpollFlags,
        token: usize,
    ) -> io::Result<()> {
        Ok(self.epoll.modify(fd, &mut EpollEvent::new(interest, token as u64))?)
    }

    /// Waits for at least one event, and answers how many there are.
    ///
    /// # Errors
    /// `TimedOut` after [`PATIENCE`]; those of epoll.
    pub(super) fn wait(&mut self) -> io::Result<usize> {
        match self.wait_at_most(PATIENCE)? {
            0 => Err(silent()),
            count => Ok(count),
        }
    }

    /// Waits for events, in whole milliseconds rounded down, and answers how many there are.
    pub(super) fn wait_at_most(&mut self, time: Duration) -> io::Result<usize> {
        let timeout = EpollTimeout::try_from(time).unwrap_or(EpollTimeout::MAX);
        loop {
            match self.epoll.wait(&mut self.events, timeout) {
                Err(Errno::EINTR) => {}
                waited => return Ok(waited?),
            }
        }
    }

    /// The token of an event of the last wait, and what happened.
    pub(super) fn event(&self, event: usize) -> (usize, EpollFlags) {
        let event = &self.events[event];
        // Lossless: it came from a `usize`.
        (event.data() as usize, event.events())
    }
}

/// The error of a server that does not answer.
pub(super) fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it does not answer")
}
