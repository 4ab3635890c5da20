//! The epoll loop with a task for each connection, and nothing else of a runtime: a waker, a run
//! queue on this thread, and the same calls. What lies between it and the [loop without
//! tasks](super::epoll()) is the price of futures, which every runtime pays; what lies between a
//! backend and this one is the backend's own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use async_task::Runnable;
use atomic_waker::AtomicWaker;
use command::arguments::Service;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use slab::Slab;

use super::epoll::{DATA, EVENTS, HUNG_UP, LISTENER};
use super::ready::{Buffers, Connection, Next};
use super::{accept, listener};

thread_local! {
    static WOKEN: RefCell<VecDeque<Runnable>> = const { RefCell::new(VecDeque::new()) };
    /// The keys of the connections whose tasks have ended.
    static ENDED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers::new());
}

/// What the loop tells a task.
#[derive(Default)]
struct Readiness {
    /// What epoll said since the task last looked.
    said: AtomicU32,
    waker: AtomicWaker,
}

impl Readiness {
    fn note(&self, event: EpollFlags) {
        self.said.fetch_or(event.bits().cast_unsigned(), Ordering::Release);
        self.waker.wake();
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<EpollFlags> {
        if self.said.load(Ordering::Relaxed) == 0 {
            self.waker.register(cx.waker());
            if self.said.load(Ordering::Acquire) == 0 {
                return Poll::Pending;
            }
        }
        let said = self.said.swap(0, Ordering::Acquire);
        Poll::Ready(EpollFlags::from_bits_truncate(said.cast_signed()))
    }
}

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = listener(path)?;
    let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    listens();
    let mut connections: Slab<Arc<Readiness>> = Slab::new();
    let mut events = vec![EpollEvent::empty(); EVENTS];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            count => count?,
        };
        for event in &events[..count] {
            if event.data() == LISTENER {
                accept_all(&listener, service, &epoll, &mut connections)?;
            } else if let Some(readiness) = connections.get(event.data() as usize) {
                readiness.note(event.events());
            }
        }
        while let Some(task) = WOKEN.with_borrow_mut(VecDeque::pop_front) {
            task.run();
        }
        for key in ENDED.take() {
            connections.remove(key as usize);
        }
    }
}

/// Accepts everyone who waits, and starts their tasks.
fn accept_all(
    listener: &OwnedFd,
    service: Service,
    epoll: &Arc<Epoll>,
    connections: &mut Slab<Arc<Readiness>>,
) -> io::Result<()> {
    while let Some(fd) = accept(listener)? {
        let entry = connections.vacant_entry();
        let (key, readiness) = (entry.key() as u64, Arc::<Readiness>::default());
        epoll.add(&fd, EpollEvent::new(DATA, key))?;
        entry.insert(Arc::clone(&readiness));
        let connection = Connection::new(fd, service);
        let mut task = Task { connection, readiness, key, room: false };
        let epoll = Arc::clone(epoll);
        let served = poll_fn(move |cx| task.poll(&epoll, cx));
        let (runnable, task) = async_task::spawn(served, |woken| {
            WOKEN.with_borrow_mut(|queue| queue.push_back(woken));
        });
        task.detach();
        runnable.schedule();
    }
    Ok(())
}

/// What the task of a connection owns.
struct Task {
    connection: Connection,
    readiness: Arc<Readiness>,
    key: u64,
    /// Whether its room is watched.
    room: bool,
}

impl Task {
    fn poll(&mut self, epoll: &Epoll, cx: &Context<'_>) -> Poll<()> {
        loop {
            let said = ready!(self.readiness.poll_next(cx));
            let hung_up = said.intersects(HUNG_UP);
            if !self.connection.is_blocked() && !hung_up && !said.contains(EpollFlags::EPOLLIN) {
                continue;
            }
            let next = BUFFERS.with_borrow_mut(|buffers| self.connection.go_on(hung_up, buffers));
            let is_watched = match next {
                Next::Room if !self.room => {
                    self.room = true;
                    let event = EpollEvent::new(DATA | EpollFlags::EPOLLOUT, self.key);
                    epoll.modify(&self.connection, &mut { event }).is_ok()
                }
                Next::Data | Next::Room => true,
                Next::End => false,
            };
            if !is_watched {
                ENDED.with_borrow_mut(|ended| ended.push(self.key));
                return Poll::Ready(());
            }
        }
    }
}
