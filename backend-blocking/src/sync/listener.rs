//! A listener that threads wait on.
//!
//! A blocking `accept(2)` could only be woken by shutting the socket down, which others may share.
//! So accepting tries, and parks in `ppoll(2)` on the listener and its close event.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use transport_core::error::{closed, timed_out};
use transport_core::socket::accept::is_retried;
use transport_core::socket::listener::{Phase, Waiter, take_queued};
use transport_core::socket::{self, Backoff, ListenerState, Mode};
use transport_core::{Address, Closer, PeerAddress, is_closed, is_transient};

use crate::sync::close_event::CloseEvent;
use crate::sync::connection::Connection;

/// A listening socket, for any number of threads at once. Dropping the last handle closes it: the
/// file goes if that was asked for, waiting clients are reset.
pub struct Listener {
    shared: Arc<Shared>,
    timeout: Option<Duration>,
}

/// What all handles share.
struct Shared {
    /// Keeps the event registered with the listener.
    waiter: Waiter,
    event: Arc<CloseEvent>,
    /// After an accept failed for want of a resource: until when the next one waits.
    backoff: Mutex<Option<(Backoff, Instant)>>,
}

impl Listener {
    pub(super) fn new(state: Arc<ListenerState>, event: Arc<CloseEvent>) -> Listener {
        let waiter = Waiter::new(state, None);
        waiter.register(&Waker::from(Arc::clone(&event)));
        let shared = Shared { waiter, event, backoff: Mutex::default() };
        Listener { shared: Arc::new(shared), timeout: None }
    }

    /// Waits for the next connection and takes it, in the kernel's order (rule L1).
    ///
    /// # Errors
    /// [Closed](transport_core::is_closed) after [`Closer::close`], or when a drain is done;
    /// [transient](transport_core::is_transient) when descriptors or memory ran out: nothing is
    /// lost, and the next call first waits a little (L6); `TimedOut`.
    pub fn accept(&self) -> io::Result<(Connection, PeerAddress)> {
        self.accept_by(self.deadline())
    }

    /// [`accept`](Self::accept) that waits no longer than until `deadline`, whatever
    /// [timeout](Self::set_accept_timeout) is set. A connection that waits already is taken also
    /// after the deadline.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_until(&self, deadline: Instant) -> io::Result<(Connection, PeerAddress)> {
        self.accept_by(Some(deadline))
    }

    /// Waits until accepting would answer, and takes nothing: a connection waits, or the listener
    /// is closed or drains (rule L2). Another handle or process may still be faster.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn acceptable(&self) -> io::Result<()> {
        let ready = self.shared.event.wait(Some(self.as_fd()), self.deadline())?;
        if ready { Ok(()) } else { Err(timed_out()) }
    }

    /// How long each call on this handle waits before it fails with `TimedOut`; `None`, the
    /// default, is for ever (rule S6).
    pub fn set_accept_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The connections as they come, until the listener is closed or drained; other errors are
    /// items, and the iterator goes on after them.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Another handle of the same listener, with the same timeout.
    #[must_use]
    pub fn share(&self) -> Listener {
        Listener { shared: Arc::clone(&self.shared), timeout: self.timeout }
    }

    /// What closes or drains this listener, all its handles, from any thread.
    #[must_use]
    pub fn closer(&self) -> Closer {
        self.state().closer()
    }

    /// The address that was asked for (rule A7); [`Address::Unnamed`] if adopted from a descriptor
    /// whose name is not a legal address.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        self.state().address()
    }

    pub(super) fn state(&self) -> &Arc<ListenerState> {
        self.shared.waiter.state()
    }

    /// A timeout beyond the clock's range is no deadline.
    fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    fn accept_by(&self, deadline: Option<Instant>) -> io::Result<(Connection, PeerAddress)> {
        self.shared.pause(deadline)?;
        let accepted = self.shared.take(deadline);
        match &accepted {
            Ok(_) => *self.shared.backoff() = None,
            Err(e) if is_transient(e) => self.shared.pause_next(),
            Err(_) => {}
        }
        let (fd, peer) = accepted?;
        Ok((Connection::new(fd, self.state().descriptors()), peer))
    }
}

impl Shared {
    fn take(&self, deadline: Option<Instant>) -> io::Result<(OwnedFd, PeerAddress)> {
        let state = self.waiter.state();
        loop {
            match state.phase() {
                Phase::Open => {}
                Phase::Draining => {
                    return take_queued(state, Mode::Blocking)?.ok_or_else(closed);
                }
                Phase::Closed => return Err(closed()),
            }
            match socket::accept(state.as_fd(), Mode::Blocking) {
                Ok(accepted) => return Ok(accepted),
                // Closing and draining make the call fail; the phase says which it was.
                Err(_) if state.phase() != Phase::Open => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if !self.event.wait(Some(state.as_fd()), deadline)? {
                        return Err(timed_out());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted || is_retried(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Waits out the pause after a failure; the listener is ready all that time, so only its
    /// closing is waited for (rule L6).
    fn pause(&self, deadline: Option<Instant>) -> io::Result<()> {
        let Some(until) = self.backoff().as_ref().map(|(_, until)| *until) else {
            return Ok(());
        };
        let end = deadline.map_or(until, |deadline| deadline.min(until));
        if self.waiter.state().phase() == Phase::Draining {
            // The event is set already; a pause is short.
            thread::sleep(end.saturating_duration_since(Instant::now()));
            return Ok(());
        }
        let woken = self.event.wait(None, Some(end))?;
        if woken || end == until { Ok(()) } else { Err(timed_out()) }
    }

    /// Keeps the next accept from trying at once, longer each time.
    fn pause_next(&self) {
        let mut place = self.backoff();
        let mut backoff = place.take().map_or_else(Backoff::accept, |(backoff, _)| backoff);
        let until = Instant::now() + backoff.pause();
        *place = Some((backoff, until));
    }

    fn backoff(&self) -> MutexGuard<'_, Option<(Backoff, Instant)>> {
        // Nothing panics inside, and nothing waits.
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Listener {
    /// The listening descriptor, which is non-blocking. After a close it stands for a dead socket.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state().fd().as_fd()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("state", self.state())
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// The connections of a listener; see [`Listener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a Listener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<(Connection, PeerAddress)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.listener.accept() {
            Err(e) if is_closed(&e) => None,
            item => Some(item),
        }
    }
}
