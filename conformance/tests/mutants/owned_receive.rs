//! The mistake of completion-based libraries whose futures own their operation: the bytes that
//! arrive belong to the future that asked for them, and when that was dropped they are lost.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use transport_core::socket;

/// Which future asked. A trait's poll function can't see the future, so this stands for it: a
/// borrowed read does not get what an owned receive was waiting for, and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Borrowed,
    Owned,
}

/// The receive that waits, if one does.
pub(crate) struct OwnedReceive {
    socket: Arc<UnixStream>,
    waiting: Option<(Kind, Arc<Operation>)>,
}

/// The operation in the "kernel": woken by readiness, it receives at once.
struct Operation {
    socket: Arc<UnixStream>,
    room: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    received: Option<Vec<u8>>,
    waker: Option<Waker>,
}

impl OwnedReceive {
    pub(crate) fn new(socket: BorrowedFd<'_>) -> OwnedReceive {
        let socket = socket.try_clone_to_owned().expect("there are descriptors left");
        OwnedReceive { socket: Arc::new(UnixStream::from(socket)), waiting: None }
    }

    /// What the operation of this kind of future received. What one of the other kind received is
    /// lost: its future is gone.
    pub(crate) fn completed(&mut self, kind: Kind) -> Option<Vec<u8>> {
        let (whose, operation) = self.waiting.as_ref()?;
        let received = operation.state().received.take()?;
        let is_mine = *whose == kind;
        self.waiting = None;
        is_mine.then_some(received)
    }

    /// The waker that completes the operation, which a poll starts or goes on with.
    pub(crate) fn waker(&mut self, kind: Kind, room: usize, cx: &Context<'_>) -> Waker {
        let operation = match &self.waiting {
            Some((whose, operation)) if *whose == kind => Arc::clone(operation),
            _ => {
                let socket = Arc::clone(&self.socket);
                Arc::new(Operation { socket, room, state: Mutex::default() })
            }
        };
        operation.state().waker = Some(cx.waker().clone());
        self.waiting = Some((kind, Arc::clone(&operation)));
        Waker::from(operation)
    }

    /// Notes whether the operation still waits.
    pub(crate) fn answered<T>(&mut self, answer: &Poll<T>) {
        if answer.is_ready() {
            self.waiting = None;
        }
    }
}

impl Operation {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Errors and the end of the stream are left to the next poll: only bytes get lost.
    fn complete(&self) -> io::Result<()> {
        if socket::queued(self.socket.as_fd())? == 0 {
            return Ok(());
        }
        let mut buf = vec![0; self.room];
        let length = (&*self.socket).read(&mut buf)?;
        buf.truncate(length);
        self.state().received = Some(buf);
        Ok(())
    }
}

impl Wake for Operation {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The socket is non-blocking; where nothing can be received the next poll says why.
        _ = self.complete();
        if let Some(waker) = self.state().waker.take() {
            waker.wake();
        }
    }
}
