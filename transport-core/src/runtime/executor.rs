//! The run queue: tasks of `async-task`, in the order in which they were woken.
//!
//! The tasks may be woken from any thread; they run on the thread that calls [`Executor::run`].
//! What is woken on that thread, which is nearly everything, needs no lock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_task::Builder;
use slab::Slab;

use crate::runtime::task::Task;
use crate::unparker::Unparker;

/// The tasks of one runtime. Dropping it drops them all.
pub(super) struct Executor {
    shared: Arc<Shared>,
    /// What runs now; kept for its memory.
    batch: VecDeque<Runnable>,
}

/// A woken task.
type Runnable = async_task::Runnable<Home>;

/// Where a task is queued when it is woken. (Not in its schedule function: `async-task` counts
/// references around one that holds something.)
#[derive(Debug)]
pub(super) struct Home(Arc<Shared>);

pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// Whether anything is in the queue; written under its lock.
    is_any: AtomicBool,
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
        let (queue, is_any, tasks) = (Mutex::default(), AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { queue, is_any, tasks, unparker });
        Executor { shared, batch: VecDeque::new() }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Makes this thread the one that runs these tasks, until the answer is dropped.
    pub(super) fn enter(&self) -> Entered {
        let local = Local { of: Arc::as_ptr(&self.shared), woken: VecDeque::new() };
        Entered { shared: Arc::clone(&self.shared), outer: LOCAL.replace(local) }
    }

    /// Runs every task that is woken now, once, on the thread that [entered](Self::enter). Those
    /// that wake meanwhile are the next call's, and their waking unparks.
    pub(super) fn run(&mut self) {
        // Something is left where a task panicked.
        let mut take = |woken: &mut VecDeque<Runnable>| match self.batch.is_empty() {
            true => std::mem::swap(&mut self.batch, woken),
            false => self.batch.append(woken),
        };
        if self.shared.is_any.load(Ordering::Acquire) {
            let mut queue = lock(&self.shared.queue);
            self.shared.is_any.store(false, Ordering::Relaxed);
            take(&mut queue.woken);
        }
        LOCAL.with_borrow_mut(|local| take(&mut local.woken));
        while let Some(task) = self.batch.pop_front() {
            task.run();
        }
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
        let builder = Builder::new().metadata(Home(Arc::clone(self)));
        let future = Tracked { future, _listed: listed };
        let (runnable, task) = builder.spawn(|_| future, schedule);
        entry.insert(runnable.waker());
        drop(tasks);
        runnable.schedule();
        Task::new(task)
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
        self.is_any.store(true, Ordering::Release);
        drop(queue);
        if is_first {
            self.unparker.unpark();
        }
    }
}

/// Queues a woken task.
fn schedule(task: Runnable) {
    let mut task = Some(task);
    // An error means that the thread is ending, and runs nothing any more.
    _ = LOCAL.try_with(|local| local.borrow_mut().take_own(&mut task));
    if let Some(task) = task {
        Arc::clone(&task.metadata().0).push(task);
    }
}

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local::NONE) };
}

/// The runtime that runs on a thread, and its tasks that were woken there.
struct Local {
    /// Only compared: it is alive while it is here.
    of: *const Shared,
    woken: VecDeque<Runnable>,
}

impl Local {
    const NONE: Local = Local { of: std::ptr::null(), woken: VecDeque::new() };

    /// Queues the task if it is of the runtime that runs here.
    fn take_own(&mut self, task: &mut Option<Runnable>) {
        if let Some(own) = task.take_if(|task| Arc::as_ptr(&task.metadata().0) == self.of) {
            if self.woken.is_empty() {
                own.metadata().0.unparker.unpark();
            }
            self.woken.push_back(own);
        }
    }
}

/// Ends [`Executor::enter`] when dropped: what is still to run can then be run on any thread.
pub(super) struct Entered {
    shared: Arc<Shared>,
    /// Whoever ran on this thread before: runtimes can be nested.
    outer: Local,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let outer = std::mem::replace(&mut self.outer, Local::NONE);
        let mut left = LOCAL.replace(outer).woken;
        if !left.is_empty() {
            let mut queue = lock(&self.shared.queue);
            queue.woken.append(&mut left);
            self.shared.is_any.store(true, Ordering::Release);
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}
