//! Ending a driver's sleep from another thread, with a system call only if it really sleeps.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::backend::Prepared;
use crate::timers::Timers;

const AWAKE: u8 = 0;
const NOTIFIED: u8 = 1;
const ASLEEP: u8 = 2;

/// Wakes a driver: ends its sleep, or keeps it from falling asleep. Cheap to clone, usable from
/// any thread, harmless after the driver is gone.
#[derive(Clone)]
pub struct Unparker {
    parker: Arc<Parker>,
}

impl Unparker {
    /// Ends the sleep that is, or else the next one. Never blocks; a system call (`write(2)` on an
    /// eventfd) only if the driver sleeps.
    pub fn unpark(&self) {
        self.parker.unpark();
    }

    /// Ends the sleep only if there is one: for changes that the driver looks at between falling
    /// asleep and waiting.
    pub fn nudge(&self) {
        // Orders the change, made before this, with the driver's look at it.
        fence(Ordering::SeqCst);
        self.nudge_after_lock();
    }

    /// [`nudge`](Self::nudge) for changes that were made under a lock which the driver takes
    /// between falling asleep and waiting, or in the one order of `SeqCst`: it sees them, or is seen
    /// asleep here, without a fence.
    pub fn nudge_after_lock(&self) {
        self.parker.nudge_after_lock();
    }

    /// [`unpark`](Self::unpark) for executors, on the thread that turns the driver, where it costs no
    /// atomic operation. On another it may come to nothing.
    pub fn unpark_here(&self) {
        self.parker.is_notified_here.store(true, Ordering::Relaxed);
        // It is asleep, as others see it, while it waits in a foreign loop, which has called this.
        self.parker.nudge_after_lock();
    }

    /// For executors: forgets a notification, before looking at everything that it could be about.
    pub fn reset(&self) {
        self.parker.reset();
    }

    /// For executors: whether the next sleep would end at once.
    #[must_use]
    pub fn is_notified(&self) -> bool {
        let is_notified_here = self.parker.is_notified_here.load(Ordering::Relaxed);
        is_notified_here || self.parker.state.load(Ordering::SeqCst) == NOTIFIED
    }

    /// A waker that unparks.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.parker))
    }
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparker").finish_non_exhaustive()
    }
}

/// The driver's side of its unparkers: an eventfd to wait for, and whether it waits.
pub struct Parker {
    state: AtomicU8,
    /// Notified on the driver's own thread, which alone uses this.
    is_notified_here: AtomicBool,
    event: EventFd,
}

impl Parker {
    /// A parker with its eventfd, non-blocking and close-on-exec.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn new() -> io::Result<Arc<Parker>> {
        let event =
            EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let (state, is_notified_here) = (AtomicU8::new(AWAKE), AtomicBool::new(false));
        Ok(Arc::new(Parker { state, is_notified_here, event }))
    }

    /// An unparker of this.
    #[must_use]
    pub fn unparker(self: &Arc<Self>) -> Unparker {
        Unparker { parker: Arc::clone(self) }
    }

    /// As [`Unparker::nudge_after_lock`].
    pub fn nudge_after_lock(&self) {
        if self.state.load(Ordering::SeqCst) == ASLEEP {
            self.unpark();
        }
    }

    /// Announces a sleep. `false` means that there was a notification, now consumed: do not sleep.
    fn fall_asleep(&self) -> bool {
        if self.is_notified_here.load(Ordering::Relaxed) {
            self.is_notified_here.store(false, Ordering::Relaxed);
            return false;
        }
        if self.state.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            fence(Ordering::SeqCst);
            return true;
        }
        // Either notified, or asleep already because a host prepared twice.
        self.state.swap(AWAKE, Ordering::SeqCst) == ASLEEP && self.fall_asleep()
    }

    /// For drivers: how long to wait now, with the sleep announced unless that is zero. `None` is
    /// without end. To be called before the last look at what else could keep it awake.
    pub fn wait_limit(&self, at_most: Option<Duration>, timers: &Timers) -> Option<Duration> {
        if at_most == Some(Duration::ZERO) || !self.fall_asleep() {
            return Some(Duration::ZERO);
        }
        let next = timers.next().map(|at| at.saturating_duration_since(Instant::now()));
        let limit = next.into_iter().chain(at_most).min();
        if limit == Some(Duration::ZERO) {
            self.wake_up();
        }
        limit
    }

    /// For drivers: the answer to [`Driver::prepare`](crate::Driver::prepare) when there is no
    /// work yet.
    pub fn prepare(&self, timers: &Timers) -> Prepared {
        if !self.fall_asleep() {
            return Prepared::Ready;
        }
        match timers.next() {
            Some(due) if due <= Instant::now() => {
                self.wake_up();
                Prepared::Ready
            }
            next => Prepared::SleepUntil(next),
        }
    }

    /// For drivers: after a wait of [`wait_limit`](Self::wait_limit), ends the sleep that it announced.
    /// If it was zero there was none, and a notification is left for whoever asked for no wait.
    pub fn wake_up_after(&self, limit: Option<Duration>) {
        if limit != Some(Duration::ZERO) {
            self.wake_up();
        }
    }

    /// Ends the sleep, and consumes the notification that ended it.
    pub fn wake_up(&self) {
        // Exchanged, so that what came before a notification is seen.
        self.state.swap(AWAKE, Ordering::SeqCst);
    }

    /// Takes the eventfd's count, for those who wait for it level-triggered.
    pub fn reset_event(&self) {
        // An error means that nothing was written.
        _ = self.event.read();
    }

    fn reset(&self) {
        self.is_notified_here.store(false, Ordering::Relaxed);
        // One that is not seen yet keeps the driver awake.
        if self.state.load(Ordering::Relaxed) == NOTIFIED {
            // On failure it was consumed meanwhile.
            let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
            _ = self.state.compare_exchange(NOTIFIED, AWAKE, success, failure);
        }
    }

    fn unpark(&self) {
        if self.state.swap(NOTIFIED, Ordering::SeqCst) == ASLEEP {
            // Writing fails only when the count is at its maximum, and then it is readable.
            _ = self.event.write(1);
        }
    }
}

impl AsFd for Parker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").field("state", &self.state).finish_non_exhaustive()
    }
}
