//! A driver on a thread of its own, for executors that have no loop to nest it in.

use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use transport_core::{Driver, Unparker};

/// A thread that turns a driver, whatever the backend. The tasks run elsewhere: on any executor,
/// on any number of threads.
///
/// It costs a switch between threads for each batch of events, which the other ways to embed do
/// not have. Wakers run on this thread; one that blocks stalls every connection.
///
/// If the driver fails, the thread drops it and ends: operations on what is left answer an error,
/// none hangs, and [`stop`](Self::stop) says what happened.
///
/// Dropping this stops the thread and waits for its end, as [`stop`](Self::stop) does, but tells
/// nobody of a failure.
#[must_use = "dropping it stops the driver"]
pub struct DriverThread {
    is_stopped: Arc<AtomicBool>,
    unparker: Unparker,
    /// `None` once it was waited for.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl DriverThread {
    /// Starts a thread called `unix-transport` that turns `driver` until it is stopped. The
    /// driver's first turn, and its drop, are on that thread.
    ///
    /// # Errors
    /// Those of starting a thread (EAGAIN); the driver is dropped then.
    pub fn start(mut driver: impl Driver + 'static) -> io::Result<DriverThread> {
        let unparker = driver.unparker();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_stopped);
        let turn_until_told = move || {
            // Sequentially consistent, as the unparker is: a turn that consumed its notification
            // is followed by a look that sees the order.
            while !told.load(Ordering::SeqCst) {
                driver.turn(None)?;
            }
            Ok(())
        };
        let thread = thread::Builder::new().name("unix-transport".into()).spawn(turn_until_told)?;
        Ok(DriverThread { is_stopped, unparker, thread: Some(thread) })
    }

    /// Stops the thread and waits for its end, at which it drops the driver: that closes the
    /// listeners, fails what waits, and on io_uring waits a limited time
    /// ([`Settings::linger`](crate::Settings::linger)) for bytes that `send` took.
    ///
    /// # Errors
    /// What ended the driver, if it failed: the error of [`Driver::turn`].
    ///
    /// # Panics
    /// With the panic of a waker that ended the thread.
    pub fn stop(mut self) -> io::Result<()> {
        self.join().unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn join(&mut self) -> thread::Result<io::Result<()>> {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.unparker.unpark();
        match self.thread.take() {
            // A waker that the driver called dropped this: the thread ends after it.
            Some(thread) if thread.thread().id() == thread::current().id() => Ok(Ok(())),
            Some(thread) => thread.join(),
            None => Ok(Ok(())),
        }
    }
}

impl Drop for DriverThread {
    fn drop(&mut self) {
        _ = self.join(); // whoever wants to know calls `stop`
    }
}

impl fmt::Debug for DriverThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverThread").field("thread", &self.thread).finish_non_exhaustive()
    }
}
