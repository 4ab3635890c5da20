//! What all handles of one listener share: its descriptor, its file, and whether it is closed.
//!
//! Closing must take effect at once, from any thread, while other threads may be inside a system
//! call on the descriptor. Closing the number would let it be used again under them. So the
//! number stays, and another socket is put under it (`dup3(2)`): the listening socket closes, its
//! queued clients are reset, and the number is free when the last handle goes.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use slab::Slab;
use socket2::SockRef;

use crate::address::{Address, PeerAddress, wire};
use crate::closer::{CloseTarget, Closer};
use crate::descriptors;
use crate::error::{Cause, Error, Result, closed};
use crate::options::{AdoptOptions, Cleanup, Descriptors, ListenOptions};
use crate::reactor::{SharedFd, WeakFd};
use crate::socket::bind::{Bound, bind};
use crate::socket::file::SocketFile;
use crate::socket::{Mode, check_unix_stream, prepare_adopted, replace, shutdown, stream};

/// Where a listener is in its life. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Clients come and are accepted.
    Open,
    /// No client comes any more; those that wait are delivered.
    Draining,
    /// Over.
    Closed,
}

/// A listener, as its handles share it. The last one to drop it closes it.
pub struct ListenerState {
    fd: SharedFd,
    /// Other numbers of the same socket, for handles that share it.
    duplicates: Mutex<Vec<WeakFd>>,
    address: Address,
    descriptors: Descriptors,
    wakes_one: bool,
    file: Option<SocketFile>,
    cleanup: Cleanup,
    /// Made elsewhere: never shut down, because others may share it.
    adopted: bool,
    phase: AtomicU8,
    waiters: Mutex<Slab<Place>>,
}

/// What the listener knows of one handle.
struct Place {
    waker: Option<Waker>,
    watch: Option<Weak<dyn Watch>>,
}

/// What waits for the listener's socket on a handle's behalf.
pub trait Watch: Send + Sync + 'static {
    /// Stops waiting, and lets go of the socket.
    fn end(&self);
}

/// Binds `at` and listens there.
///
/// # Errors
/// As [`Transport::listen`](crate::Transport::listen).
pub fn listen(at: &Address, options: &ListenOptions) -> Result<Arc<ListenerState>> {
    let Bound { fd, file } = bind(at, options)?;
    Ok(Arc::new(ListenerState {
        fd: SharedFd::new(fd),
        duplicates: Mutex::default(),
        address: at.clone(),
        descriptors: options.descriptors,
        wakes_one: options.wake_one,
        file,
        cleanup: options.cleanup,
        adopted: false,
        phase: AtomicU8::new(Phase::Open as u8),
        waiters: Mutex::default(),
    }))
}

/// Takes over a listening socket that was made elsewhere.
///
/// # Errors
/// As [`Transport::adopt_listener`](crate::Transport::adopt_listener).
pub fn adopt_listener(fd: OwnedFd, options: &AdoptOptions) -> Result<Arc<ListenerState>> {
    let failed = |cause: Cause| Error::new("adopt a listener", None, cause);
    let socket = SockRef::from(&fd);
    check_unix_stream(&socket).map_err(failed)?;
    if !socket.is_listener().map_err(|e| failed(e.into()))? {
        return Err(failed(Cause::WrongDescriptor("the socket does not listen")));
    }
    prepare_adopted(&socket, Mode::NonBlocking).map_err(|e| failed(e.into()))?;
    descriptors::apply(fd.as_fd(), options.descriptors).map_err(|e| failed(e.into()))?;
    let address = match socket.local_addr().map(|address| wire::decode(&address)) {
        Ok(PeerAddress::Path(bytes)) if bytes.starts_with(b"/") => {
            Address::path(OsStr::from_bytes(&bytes))
        }
        Ok(PeerAddress::Abstract(bytes)) => Address::abstract_name(bytes),
        _ => Ok(Address::Unnamed),
    };
    Ok(Arc::new(ListenerState {
        address: address.unwrap_or(Address::Unnamed),
        fd: SharedFd::new(fd),
        duplicates: Mutex::default(),
        descriptors: options.descriptors,
        wakes_one: false,
        file: None,
        cleanup: Cleanup::Keep,
        adopted: true,
        phase: AtomicU8::new(Phase::Open as u8),
        waiters: Mutex::default(),
    }))
}

impl ListenerState {
    /// The listening descriptor, non-blocking.
    #[must_use]
    pub fn fd(&self) -> &SharedFd {
        &self.fd
    }

    /// Another number for the same socket, for another handle: a reactor may not take the same
    /// number twice.
    ///
    /// # Errors
    /// [`closed`]; EMFILE.
    pub fn duplicate(&self) -> io::Result<SharedFd> {
        let duplicate = SharedFd::new(self.fd.as_fd().try_clone_to_owned()?);
        let mut duplicates = self.duplicates.lock().unwrap_or_else(PoisonError::into_inner);
        duplicates.retain(|duplicate| !duplicate.is_closed());
        duplicates.push(duplicate.downgrade());
        drop(duplicates);
        // A close before the push did not see it.
        match self.phase() {
            Phase::Closed => Err(closed()),
            Phase::Open | Phase::Draining => Ok(duplicate),
        }
    }

    /// The address that was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether a client need wake only one of the handles ([`ListenOptions::wake_one`]).
    #[must_use]
    pub fn wakes_one(&self) -> bool {
        self.wakes_one
    }

    /// Whether accepted connections may receive descriptors.
    #[must_use]
    pub fn descriptors(&self) -> Descriptors {
        self.descriptors
    }

    /// Whether it was made elsewhere.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            phase if phase == Phase::Open as u8 => Phase::Open,
            phase if phase == Phase::Draining as u8 => Phase::Draining,
            _ => Phase::Closed,
        }
    }

    /// What closes it.
    #[must_use]
    pub fn closer(self: &Arc<Self>) -> Closer {
        Closer::new(self)
    }

    /// Moves forward to `phase`; `false` if it was there already, or further.
    fn advance(&self, phase: Phase) -> bool {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst) < phase as u8
    }

    /// The file goes first, while the socket still holds its inode; then the clients.
    fn end(&self) {
        if self.cleanup == Cleanup::Remove {
            self.remove_file();
        }
        if !self.adopted {
            // Refuses new clients even while an operation in flight keeps the socket open. A
            // listener can always be shut down.
            _ = shutdown(self.fd.as_fd(), Shutdown::Both);
        }
    }

    /// Removes the file, whatever the policy: for a listen that fails after the bind (rule B5).
    pub(crate) fn remove_file(&self) {
        self.file.iter().for_each(SocketFile::remove);
    }

    fn end_watches(&self) {
        let watches: Vec<_> = self
            .waiters()
            .iter()
            .filter_map(|(_, place)| place.watch.as_ref()?.upgrade())
            .collect();
        watches.iter().for_each(|watch| watch.end());
    }

    fn wake_all(&self) {
        let woken: Vec<Waker> =
            self.waiters().iter_mut().filter_map(|(_, place)| place.waker.take()).collect();
        woken.into_iter().for_each(Waker::wake);
    }

    fn waiters(&self) -> MutexGuard<'_, Slab<Place>> {
        // Wakers run outside the lock, so nothing panics inside.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CloseTarget for ListenerState {
    fn close(&self) {
        if !self.advance(Phase::Closed) {
            return;
        }
        self.end();
        self.end_watches();
        // Without a descriptor to spare the socket closes with its last handle, all of which are
        // woken now; it refuses new clients already.
        if let Ok(dead) = stream(Mode::NonBlocking) {
            let duplicates = self.duplicates.lock().unwrap_or_else(PoisonError::into_inner);
            let duplicates: Vec<_> = duplicates.iter().filter_map(WeakFd::upgrade).collect();
            for fd in duplicates.iter().chain([&self.fd]) {
                // Putting one open file in another's place can't fail.
                _ = replace::replace(fd, &dead);
            }
        }
        self.wake_all();
    }

    fn drain(&self) {
        if !self.advance(Phase::Draining) {
            return;
        }
        if !self.adopted {
            // The queue stays; a listener can always be shut down.
            _ = shutdown(self.fd.as_fd(), Shutdown::Both);
        }
        self.wake_all();
    }

    fn is_closed(&self) -> bool {
        self.phase() == Phase::Closed
    }
}

impl Drop for ListenerState {
    fn drop(&mut self) {
        if self.advance(Phase::Closed) {
            self.end();
        }
    }
}

impl AsFd for ListenerState {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for ListenerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerState")
            .field("address", &self.address)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

/// One handle's place among those who are woken when the listener's phase changes.
#[derive(Debug)]
pub struct Waiter {
    state: Arc<ListenerState>,
    place: usize,
}

impl Waiter {
    /// A place for a handle, whose `watch`, if it has one, ends when the listener closes.
    #[must_use]
    pub fn new(state: Arc<ListenerState>, watch: Option<Weak<dyn Watch>>) -> Waiter {
        let place = state.waiters().insert(Place { waker: None, watch });
        Waiter { state, place }
    }

    /// The listener.
    #[must_use]
    pub fn state(&self) -> &Arc<ListenerState> {
        &self.state
    }

    /// Wakes `waker` at the next change of phase. Check the phase after this.
    pub fn register(&self, waker: &Waker) {
        let mut waiters = self.state.waiters();
        let slot = &mut waiters[self.place].waker;
        if slot.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return;
        }
        let old = slot.replace(waker.clone());
        drop(waiters);
        drop(old);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let place = self.state.waiters().try_remove(self.place);
        drop(place);
    }
}

/// Takes one waiting client of a draining listener; `None` when the queue is empty, and the
/// listener is closed with that.
///
/// # Errors
/// Those of `accept4(2)` but EINTR and those that are retried.
pub fn take_queued(
    state: &ListenerState,
    mode: Mode,
) -> io::Result<Option<(OwnedFd, PeerAddress)>> {
    loop {
        match super::accept(state.as_fd(), mode) {
            Ok(accepted) => return Ok(Some(accepted)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if super::accept::is_retried(&e) => {}
            // A shut-down listener answers one or the other when its queue is empty.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EINVAL)) => {
                state.close();
                return Ok(None);
            }
            Err(e) => return Err(e),
        }
    }
}
