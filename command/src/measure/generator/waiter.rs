//! `epoll_wait(2)`, as both loads need it: level-triggered, retried after a signal, never for ever.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// How long a server under load may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// An epoll instance and the events that it gave last.
#[derive(Debug)]
pub(super) struct Waiter {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    timeout: EpollTimeout,
}

impl Waiter {
    /// Room for the events of `descriptors` descriptors.
    pub(super) fn new(descriptors: usize) -> io::Result<Waiter> {
        Ok(Waiter {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            events: vec![EpollEvent::empty(); descriptors],
            timeout: EpollTimeout::try_from(PATIENCE).unwrap_or(EpollTimeout::NONE),
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
    pub(super) fn wait(&mut self) -> io::Result<usize> {
        loop {
            match self.epoll.wait(&mut self.events, self.timeout) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")),
                Ok(count) => return Ok(count),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The token of an event of the last wait.
    pub(super) fn token(&self, event: usize) -> usize {
        // Lossless: it came from a `usize`.
        self.events[event].data() as usize
    }
}
