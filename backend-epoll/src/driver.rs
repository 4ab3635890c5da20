//! The driver: one `epoll_wait(2)` per turn.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{EpollEvent, EpollTimeout};
use transport_core::reactor::{Event, Home, Token};
use transport_core::{Cause, Driver, Error, Prepared, Result, Settings, Timers, Unparker};

use crate::reactor::{EpollReactor, Shared, UNPARK};

/// Waits with epoll. It may be turned on any thread, one at a time; its descriptor can be waited
/// for in any other loop.
pub struct EpollDriver {
    shared: Arc<Shared>,
    events: Vec<EpollEvent>,
    /// Whether the last wait filled `events`, so that the kernel may have more.
    has_more: bool,
    /// Whom the events of one turn wake; kept for its memory.
    woken: Vec<Waker>,
}

impl EpollDriver {
    pub(crate) fn new(settings: &Settings) -> Result<EpollDriver> {
        let shared = Shared::new().map_err(|e| Error::new("open epoll", None, Cause::from(e)))?;
        let events = vec![EpollEvent::empty(); settings.events.max(1) as usize];
        Ok(EpollDriver { shared, events, has_more: false, woken: Vec::new() })
    }

    pub(crate) fn reactor(&self) -> EpollReactor {
        EpollReactor { shared: Arc::clone(&self.shared) }
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<usize> {
        let answer = self.shared.epoll.wait(&mut self.events, timeout(limit));
        self.shared.parker.wake_up_after(limit);
        let count = match answer {
            Ok(count) => count,
            // A signal, or a ring that this thread dropped.
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        self.has_more = count == self.events.len();
        let events = self.events[..count].iter().filter(|event| event.data() != UNPARK);
        let events = events.map(|event| (Token::from_bits(event.data()), said(event)));
        let noted = self.shared.registry.note(events, &mut self.woken);
        self.woken.drain(..).for_each(Waker::wake);
        Ok(noted + self.shared.timers.fire())
    }
}

impl Driver for EpollDriver {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        let limit = self.shared.parker.wait_limit(at_most, &self.shared.timers);
        self.wait(limit)
    }

    /// What the kernel had no room to tell makes no edge: a host that waits for one (tokio) would
    /// miss it.
    fn prepare(&mut self) -> io::Result<Prepared> {
        if self.has_more {
            return Ok(Prepared::Ready);
        }
        Ok(self.shared.parker.prepare(&self.shared.timers))
    }

    fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.shared.epoll.0.as_fd())
    }

    fn dispatch(&mut self) -> io::Result<usize> {
        self.shared.parker.wake_up();
        self.wait(Some(Duration::ZERO))
    }

    fn unparker(&self) -> Unparker {
        self.shared.parker.unparker()
    }

    fn timers(&self) -> &Timers {
        &self.shared.timers
    }

    fn home(&self) -> Option<&Home> {
        Some(self.shared.registry.home())
    }
}

impl Drop for EpollDriver {
    fn drop(&mut self) {
        self.shared.registry.end();
        self.shared.timers.end();
    }
}

impl fmt::Debug for EpollDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpollDriver").field("epoll", &self.shared.epoll).finish_non_exhaustive()
    }
}

/// What an event says, in core's words, which are those of `poll(2)`: epoll has the same.
fn said(event: &EpollEvent) -> Event {
    const {
        assert!(libc::EPOLLIN == libc::POLLIN as i32 && libc::EPOLLOUT == libc::POLLOUT as i32);
        assert!(libc::EPOLLPRI == libc::POLLPRI as i32 && libc::EPOLLERR == libc::POLLERR as i32);
        assert!(libc::EPOLLHUP == libc::POLLHUP as i32);
        assert!(libc::EPOLLRDHUP == libc::POLLRDHUP as i32);
    }
    Event::from_bits_truncate(event.events().bits().cast_unsigned())
}

/// Epoll counts in milliseconds: rounded up, so that a timer is due when it wakes.
fn timeout(limit: Option<Duration>) -> EpollTimeout {
    let Some(limit) = limit else { return EpollTimeout::NONE };
    let milliseconds = limit.as_nanos().div_ceil(1_000_000);
    EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
}
