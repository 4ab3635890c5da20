//! The one system call of the ring: `io_uring_enter(2)`.
#![expect(unsafe_code, reason = "the system call, with its argument structure")]

use std::io;
use std::thread;
use std::time::Duration;

use transport_core::error;

use crate::ring::Ring;

impl Ring {
    /// Submits what is queued and waits for a completion, at most as long as `limit` says. Only on
    /// the thread that the ring is bound to.
    pub(crate) fn enter(&self, limit: Option<Duration>) -> io::Result<()> {
        let (queued, is_more) = self.flush();
        match if is_more { Some(Duration::ZERO) } else { limit } {
            Some(Duration::ZERO) => self.call(queued, 0, None),
            limit => self.call(queued, 1, limit),
        }
    }

    fn call(&self, queued: u32, least: u32, limit: Option<Duration>) -> io::Result<()> {
        let time = limit.map(Timespec::from).unwrap_or_default();
        let argument = WaitArgument { time: &raw const time as u64, ..WaitArgument::default() };
        let (flags, argument) = match limit {
            Some(_) if least > 0 => (ENTER_GETEVENTS | ENTER_EXT_ARG, Some(&argument)),
            _ => (ENTER_GETEVENTS, None),
        };
        // SAFETY: the entries are well-formed (`Ring::push`), and the argument, where there is
        // one, leads to a time that lives until the call is over.
        let entered = unsafe { self.io.submitter().enter(queued, least, flags, argument) };
        match entered.map_err(|e| (e.raw_os_error(), e)) {
            Ok(_) => Ok(()),
            // The time is over; a signal came; or the kernel wants completions to be reaped
            // before it takes more.
            Err((Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN), _)) => Ok(()),
            Err((Some(libc::EEXIST), _)) => {
                Err(error::unsupported("the ring belongs to the thread of its first turn"))
            }
            Err((_, e)) => Err(e),
        }
    }

    /// Submits what is queued without waiting for the next turn, if this is the driver's thread,
    /// else wakes the driver: for cancellations, without which a closed socket stays open. Answers
    /// whether everything is submitted; what is not is the next turn's.
    pub(crate) fn submit_now(&self) -> bool {
        if self.thread.get() == Some(&thread::current().id()) {
            self.enter(Some(Duration::ZERO)).is_ok() && self.is_submitted()
        } else {
            self.nudge();
            false
        }
    }
}

/// `IORING_ENTER_GETEVENTS`: run deferred work, and wait for as many completions as asked.
const ENTER_GETEVENTS: u32 = 1;
/// `IORING_ENTER_EXT_ARG`: the argument is a [`WaitArgument`].
const ENTER_EXT_ARG: u32 = 8;

/// `struct io_uring_getevents_arg`.
#[repr(C)]
#[derive(Default)]
struct WaitArgument {
    signals: u64,
    signals_size: u32,
    least_wait: u32,
    time: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
#[derive(Default)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

impl From<Duration> for Timespec {
    fn from(time: Duration) -> Timespec {
        Timespec {
            seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: i64::from(time.subsec_nanos()),
        }
    }
}
