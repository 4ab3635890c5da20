//! The run queue: tasks of `async-task`, in the order in which they were woken.
//!
//! The tasks may be woken from any thread; they run on the thread that calls [`Executor::run`].

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_task::{Runnable, Task};
use slab::Slab;

use crate::unparker::Unparker;

/// The tasks of one runtime. Dropping it drops them all.
pub(super) struct Executor {
    shared: Arc<Shared>,
    /// What runs now; kept for its memory.
    batch: VecDeque<Runnable>,
}

pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// Every task that is not done, to cancel it at the end.
    tasks: Mutex<Slab<Waker>>,
    unparker: Unparker,
}

#[derive(Default)]
struct Queue {
    woken: VecDeque<Runnable>,
    /// The runtime is gone: what is woken now is dropped.
    ended: bool,
}

impl Executor {
    pub(super) fn new(unparker: Unparker) -> Executor {
        let shared = Shared { queue: Mutex::default(), tasks: Mutex::default(), unparker };
        Executor { shared: Arc::new(shared), batch: VecDeque::new() }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs every task that is woken now, once; those that wake meanwhile are the next call's.
    /// Answers how many ran.
    pub(super) fn run(&mut self) -> usize {
        // Something is left where a task panicked.
        if self.batch.is_empty() {
            std::mem::swap(&mut self.batch, &mut lock(&self.shared.queue).woken);
        }
        let count = self.batch.len();
        while let Some(task) = self.batch.pop_front() {
            task.run();
        }
        count
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        lock(&self.shared.queue).ended = true;
        self.batch.clear();
        // A woken task of a queue that has ended is dropped, with its future.
        let tasks = std::mem::take(&mut *lock(&self.shared.tasks));
        tasks.into_iter().for_each(|(_, waker)| waker.wake());
        let left = std::mem::take(&mut lock(&self.shared.queue).woken);
        drop(left);
    }
}

impl Shared {
    /// Makes a task of the future, and wakes it for the first time.
    pub(super) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let mut tasks = lock(&self.tasks);
        let entry = tasks.vacant_entry();
        let listed = Listed { shared: Arc::clone(self), place: entry.key() };
        // A cycle while the task is not done; the executor's drop breaks it.
        let queue = Arc::clone(self);
        let future = Tracked { future, _listed: listed };
        let (runnable, task) = async_task::spawn(future, move |task| queue.push(task));
        entry.insert(runnable.waker());
        drop(tasks);
        runnable.schedule();
        task
    }

    fn push(&self, task: Runnable) {
        let mut queue = lock(&self.queue);
        if queue.ended {
            // Foreign code runs when the future is dropped.
            drop(queue);
            drop(task);
            return;
        }
        let is_first = queue.woken.is_empty();
        queue.woken.push_back(task);
        drop(queue);
        if is_first {
            self.unparker.unpark();
        }
    }
}

pin_project_lite::pin_project! {
    /// A task's future and its place on the list. (An `async` block of the two would hold the
    /// future twice.)
    struct Tracked<F> {
        #[pin]
        future: F,
        _listed: Listed,
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Takes a task off the list when its future is dropped.
struct Listed {
    shared: Arc<Shared>,
    place: usize,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let waker = lock(&self.shared.tasks).try_remove(self.place);
        drop(waker);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No foreign code runs under these locks, so nothing panics there.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}
