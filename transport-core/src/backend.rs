//! Seam 2: how a backend is opened, and how it waits.
//!
//! A backend is a [`Transport`] and the [`Driver`] that makes its handles move. Own the loop (let
//! [`Runtime`](crate::Runtime) or your executor call [`Driver::turn`]), or nest the driver in a
//! loop that exists: [`prepare`](Driver::prepare), sleep on [`wait_fd`](Driver::wait_fd),
//! [`dispatch`](Driver::dispatch).

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::options::Settings;
use crate::reactor::Home;
use crate::timers::Timers;
use crate::transport::Transport;
use crate::unparker::Unparker;

/// One way of moving bytes.
pub trait Backend: 'static {
    /// The name that selects it: "blocking", "epoll", "uring".
    const NAME: &'static str;
    /// Makes listeners and connections.
    type Transport: Transport;
    /// Makes them move.
    type Driver: Driver;

    /// Whether it works here, found out by doing what it will do; if not, why.
    fn probe() -> Availability;

    /// A driver and its transport. Dropping the driver closes its listeners; operations on what is
    /// left answer an error, and none hangs (cases 83, 84).
    ///
    /// # Errors
    /// [`Cause::Unavailable`](crate::Cause::Unavailable) with the reason where [`probe`](Self::probe)
    /// says no; EMFILE and ENOMEM.
    fn open(settings: &Settings) -> Result<(Self::Transport, Self::Driver)>;
}

/// Whether a backend works here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It does; the text says what it found (limits, fallbacks), and may be empty.
    Yes(String),
    /// It does not, because of this.
    No(String),
}

impl Availability {
    /// Whether it works.
    #[must_use]
    pub fn is_yes(&self) -> bool {
        matches!(self, Availability::Yes(_))
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Availability::Yes(found) => f.write_str(found),
            Availability::No(why) => f.write_str(why),
        }
    }
}

/// What a driver says before the host sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// There is work now: do not sleep, [`dispatch`](Driver::dispatch).
    Ready,
    /// Sleep until [`wait_fd`](Driver::wait_fd) is readable, or until this instant.
    SleepUntil(Option<Instant>),
}

/// The part of a backend that waits for the kernel and wakes the tasks.
///
/// It may move to another thread until its first turn, which binds it to its thread.
pub trait Driver: Send {
    /// Submits what is queued, waits for events (at most `at_most`; `None` is without end, zero
    /// not at all), wakes the tasks that they concern and those whose timers are due. Answers how
    /// many events there were. Returns early when unparked, and may do so with nothing.
    ///
    /// # Errors
    /// Those of the waiting system call, never EINTR. On another thread than that of the first
    /// turn: `Unsupported`, from backends that the kernel binds to a thread.
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize>;

    /// For hosts: submits what is queued, and says whether the host may sleep. Never blocks.
    /// Without a [`wait_fd`](Self::wait_fd) nothing would end the sleep, so it says no; and also
    /// while the last [`dispatch`](Self::dispatch) may have left events, because hosts that wait
    /// for edges would not be told of them again.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    fn prepare(&mut self) -> io::Result<Prepared> {
        Ok(Prepared::Ready)
    }

    /// The descriptor that becomes readable when [`dispatch`](Self::dispatch) has work; `None`,
    /// as provided, where there is none (blocking). Only for waiting: never read or close it.
    fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// For hosts: takes the events that are there, wakes the tasks. Never blocks.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    fn dispatch(&mut self) -> io::Result<usize> {
        self.turn(Some(Duration::ZERO))
    }

    /// What ends this driver's sleep from any thread.
    fn unparker(&self) -> Unparker;

    /// The timers that this driver fires.
    fn timers(&self) -> &Timers;

    /// Where whoever turns this driver, and runs its tasks on the same thread, should
    /// [be](Home::run): waiting costs less there. `None`, as provided, where it would not.
    fn home(&self) -> Option<&Home> {
        None
    }
}

impl<D: Driver + ?Sized> Driver for Box<D> {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        (**self).turn(at_most)
    }

    fn prepare(&mut self) -> io::Result<Prepared> {
        (**self).prepare()
    }

    fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        (**self).wait_fd()
    }

    fn dispatch(&mut self) -> io::Result<usize> {
        (**self).dispatch()
    }

    fn unparker(&self) -> Unparker {
        (**self).unparker()
    }

    fn timers(&self) -> &Timers {
        (**self).timers()
    }

    fn home(&self) -> Option<&Home> {
        (**self).home()
    }
}
