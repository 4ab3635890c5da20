//! Threads that play the other side, and how to see that another thread has fallen asleep.

use std::any::Any;
use std::fs;
use std::panic;
use std::thread::{self, JoinHandle};

use nix::unistd::gettid;
use transport_core::Closer;

use crate::context::eventually;

/// A thread that plays the other side of a case.
#[must_use]
pub struct Peer<T> {
    thread: JoinHandle<T>,
}

/// Starts a thread that plays the other side.
pub fn peer<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Peer<T> {
    let thread = thread::Builder::new().name("peer".to_owned()).spawn(body);
    Peer { thread: thread.expect("a thread can be started") }
}

impl<T> Peer<T> {
    /// Waits for its end, and answers what it answered. If it panicked, so does this.
    pub fn finish(self) -> T {
        self.thread
            .join()
            .unwrap_or_else(|panicked: Box<dyn Any + Send>| panic::resume_unwind(panicked))
    }
}

/// A thread that somebody else wants to see asleep.
#[derive(Clone, Copy, Debug)]
pub struct Sleeper {
    thread: i32,
}

impl Sleeper {
    /// The calling thread.
    #[must_use]
    pub fn this_thread() -> Sleeper {
        Sleeper { thread: gettid().as_raw() }
    }

    /// Waits until that thread sleeps in the kernel, three looks in a row.
    ///
    /// Nothing tells one thread that another has begun to wait in a system call, so this looks at
    /// its state in `/proc`. A thread that sleeps for another reason is mistaken; cases only rely
    /// on it to make the interesting order likely, never for their verdict.
    pub fn wait_until_asleep(self) {
        let mut looks = 0;
        eventually("the other thread sleeps", || {
            looks = if self.is_asleep() { looks + 1 } else { 0 };
            looks == 3
        });
    }

    fn is_asleep(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", self.thread));
        // The state follows the command's name, which is in parentheses and may contain anything.
        stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')))
    }
}

/// Closes a handle from another thread, once the calling thread sleeps, as it does when its
/// operation waits.
pub fn close_when_asleep(closer: Closer) -> Peer<()> {
    let waiter = Sleeper::this_thread();
    peer(move || {
        waiter.wait_until_asleep();
        assert!(!closer.is_closed(), "the handle is open while its operation waits");
        closer.close();
    })
}
