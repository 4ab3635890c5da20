//! What wakes threads that wait for a listener when it closes: an eventfd that is written once
//! and never read, so that it wakes all of them, now and later.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::Wake;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

/// The event. Waking it as a [`Waker`](std::task::Waker) sets it for ever.
pub(super) struct CloseEvent {
    event: EventFd,
}

impl CloseEvent {
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub(super) fn new() -> io::Result<Arc<CloseEvent>> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Arc::new(CloseEvent { event: EventFd::from_value_and_flags(0, flags)? }))
    }

    /// Sleeps until the event is set, or `listener` (if there is one) is readable, and answers
    /// `true`; at `deadline` it answers `false`.
    ///
    /// # Errors
    /// Those of `ppoll(2)` but EINTR.
    pub(super) fn wait(
        &self,
        listener: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        let event = self.event.as_fd();
        let mut asked =
            [event, listener.unwrap_or(event)].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match ppoll(&mut asked, left.map(TimeSpec::from_duration), None) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Wake for CloseEvent {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Writing fails only when the count is at its maximum, and then it is readable.
        _ = self.event.write(1);
    }
}
