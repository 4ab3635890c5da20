//! A task for each connection of a loop, and nothing else of a runtime: a waker, and a run queue on
//! this thread. What lies between a loop with tasks and the one without is the price of futures, which
//! every runtime pays (with `async-task`, as most have it; that of `unix_transport` has cheaper ones); what
//! lies between a backend and the loop with tasks is the backend's own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use async_task::Runnable;
use atomic_waker::AtomicWaker;

use super::ready::{Buffers, Connection, Next};

thread_local! {
    static WOKEN: RefCell<VecDeque<Runnable>> = const { RefCell::new(VecDeque::new()) };
    /// The keys of the connections whose tasks have ended.
    static ENDED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers::new());
}

const HUNG_UP: u32 = (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) as u32;

/// What the loop tells a task.
#[derive(Default)]
pub(super) struct Readiness {
    /// What the kernel said since the task last looked, as `poll(2)` has it.
    said: AtomicU32,
    waker: AtomicWaker,
}

impl Readiness {
    /// Wakes the task.
    pub(super) fn note(&self, events: u32) {
        self.said.fetch_or(events, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<u32> {
        if self.said.load(Ordering::Relaxed) == 0 {
            self.waker.register(cx.waker());
            if self.said.load(Ordering::Acquire) == 0 {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.said.swap(0, Ordering::Acquire))
    }
}

/// Starts the task of the connection `key`, which calls `watch_room` once, when it first needs room.
pub(super) fn start(
    key: usize,
    connection: Connection,
    watch_room: impl Fn(&Connection) -> bool + Send + 'static,
) -> Arc<Readiness> {
    let readiness = Arc::<Readiness>::default();
    let told = Arc::clone(&readiness);
    let mut task = Task { connection, told, room: false };
    spawn(key, poll_fn(move |cx| task.poll(&watch_room, cx)));
    readiness
}

/// Starts a task for the connection `key`.
pub(super) fn spawn(key: usize, future: impl Future<Output = ()> + Send + 'static) {
    let served = async move {
        future.await;
        ENDED.with_borrow_mut(|ended| ended.push(key));
    };
    let (runnable, task) = async_task::spawn(served, |woken| {
        WOKEN.with_borrow_mut(|queue| queue.push_back(woken));
    });
    task.detach();
    runnable.schedule();
}

/// Runs the tasks that were woken. Answers the keys of those that ended.
pub(super) fn run_woken() -> Vec<usize> {
    while let Some(task) = WOKEN.with_borrow_mut(VecDeque::pop_front) {
        task.run();
    }
    ENDED.take()
}

/// What the task of a connection owns.
struct Task {
    connection: Connection,
    told: Arc<Readiness>,
    /// Whether its room is watched.
    room: bool,
}

impl Task {
    fn poll(&mut self, watch_room: &impl Fn(&Connection) -> bool, cx: &Context<'_>) -> Poll<()> {
        loop {
            let said = ready!(self.told.poll_next(cx));
            let hung_up = said & HUNG_UP != 0;
            if !self.connection.is_blocked() && !hung_up && said & libc::POLLIN as u32 == 0 {
                continue;
            }
            let next = BUFFERS.with_borrow_mut(|buffers| self.connection.go_on(hung_up, buffers));
            let goes_on = match next {
                Next::Room if !self.room => {
                    self.room = true;
                    watch_room(&self.connection)
                }
                Next::Data | Next::Room => true,
                Next::End => false,
            };
            if !goes_on {
                return Poll::Ready(());
            }
        }
    }
}
