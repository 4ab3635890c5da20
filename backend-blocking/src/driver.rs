//! The driver: one `ppoll(2)` per turn, over the descriptors that are known not to be ready.

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use transport_core::reactor::{Event, Home, Token};
use transport_core::{
    Cause, Driver, Error, Interest, Prepared, Result, SharedFd, Timers, Unparker,
};

use crate::reactor::{ParkReactor, Shared};

/// Waits with `ppoll(2)`. It may be turned on any thread, one at a time. It has no descriptor that
/// another loop could wait for: run it on a thread of its own.
pub struct ParkDriver {
    shared: Arc<Shared>,
    /// What one turn asks about; kept for its memory.
    asked: Vec<Asked>,
    /// The same for the kernel, and what it answered; both kept for their memory.
    polled: Vec<PollFd<'static>>,
    events: Vec<(Token, Event)>,
    /// Whom the events of one turn wake; kept for its memory.
    woken: Vec<Waker>,
}

struct Asked {
    token: Token,
    fd: SharedFd,
    flags: PollFlags,
}

impl ParkDriver {
    pub(crate) fn new() -> Result<ParkDriver> {
        let shared = Shared::new().map_err(|e| Error::new("open ppoll", None, Cause::from(e)))?;
        Ok(ParkDriver {
            shared,
            asked: Vec::new(),
            polled: Vec::new(),
            events: Vec::new(),
            woken: Vec::new(),
        })
    }

    pub(crate) fn reactor(&self) -> ParkReactor {
        ParkReactor { shared: Arc::clone(&self.shared) }
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<usize> {
        self.choose();
        let answer = self.ask(limit);
        self.shared.parker.wake_up_after(limit);
        self.asked.clear();
        answer?;
        let noted = self.shared.registry.note(self.events.iter().copied(), &mut self.woken);
        self.events.clear();
        self.woken.drain(..).for_each(Waker::wake);
        Ok(noted + self.shared.timers.fire())
    }

    /// Everything that an attempt found not to be ready, and nothing else: what is ready would
    /// end the wait at once.
    fn choose(&mut self) {
        let asked = &mut self.asked;
        self.shared.registry.for_each(|token, fd, readiness| {
            let mut flags = PollFlags::empty();
            if readiness.is_awaited(Interest::Read) {
                flags |= PollFlags::POLLIN;
            }
            if readiness.is_awaited(Interest::Write) {
                flags |= PollFlags::POLLOUT;
            }
            if !flags.is_empty() {
                asked.push(Asked { token, fd: SharedFd::clone(fd), flags });
            }
        });
    }

    fn ask(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let unpark = PollFd::new(self.shared.parker.as_fd(), PollFlags::POLLIN);
        let asked = self.asked.iter().map(|asked| PollFd::new(asked.fd.as_fd(), asked.flags));
        let mut polled = emptied(mem::take(&mut self.polled));
        polled.extend(std::iter::once(unpark).chain(asked));
        let answer = ppoll(&mut polled, limit.map(TimeSpec::from_duration), None);
        if answer.is_ok_and(|count| count > 0) {
            let mut answers = polled.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
            if answers.next().is_some_and(|unpark| !unpark.is_empty()) {
                self.shared.parker.reset_event();
            }
            let answered = self.asked.iter().zip(answers).filter(|(_, flags)| !flags.is_empty());
            self.events.extend(answered.map(|(asked, flags)| (asked.token, said(flags))));
        }
        self.polled = emptied(polled);
        match answer {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// No descriptors, in the memory of these: collecting what a vector gives reuses it, which lets the
/// borrows end without allocating in each turn.
fn emptied<'a>(mut used: Vec<PollFd<'_>>) -> Vec<PollFd<'a>> {
    used.clear();
    used.into_iter().map_while(|_| None).collect()
}

impl Driver for ParkDriver {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        let limit = self.shared.parker.wait_limit(at_most, &self.shared.timers);
        self.wait(limit)
    }

    fn prepare(&mut self) -> io::Result<Prepared> {
        Ok(self.shared.parker.prepare(&self.shared.timers))
    }

    fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        None
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

impl Drop for ParkDriver {
    fn drop(&mut self) {
        self.shared.registry.end();
        self.shared.timers.end();
    }
}

impl fmt::Debug for ParkDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParkDriver").finish_non_exhaustive()
    }
}

/// What an answer says, in core's words, which are those of `poll(2)`.
fn said(flags: PollFlags) -> Event {
    Event::from_bits_truncate(u32::from(flags.bits().cast_unsigned()))
}
