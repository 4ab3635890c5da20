//! The tasks, and the run queue: they run in the order in which they were woken, after those that other
//! threads woke.
//!
//! Tasks may be woken from any thread; they run on the thread that [entered](Executor::enter). To be
//! queued there, as nearly all are, takes no lock and no atomic exchange.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Wake, Waker};

use slab::Slab;

use crate::runtime::task::{End, Task, Tracked};
use crate::unparker::Unparker;

/// The tasks of one runtime. Dropping it drops them all.
pub(super) struct Executor {
    shared: Arc<Shared>,
    tasks: Slab<Running>,
    /// What runs now; kept for its memory.
    batch: Queue,
}

/// A task as the runtime has it.
struct Running {
    /// Its future, which tells its handle what it returns.
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    common: Arc<Common<dyn Send + Sync>>,
    /// Made of `common`, to be polled with.
    waker: Waker,
}

/// What the runtime, the wakers and the handle of a task share.
#[derive(Debug)]
pub(super) struct Common<E: ?Sized> {
    pub(super) wakeup: Wakeup,
    pub(super) end: E,
}

/// What is to run, in its order.
#[derive(Default)]
struct Queue {
    /// The places of those that were woken, and [`NEW`] for each new one. If the task that was woken is
    /// done, another may be there, which is polled in vain.
    places: VecDeque<usize>,
    new: VecDeque<Running>,
}

/// No task has this place.
const NEW: usize = usize::MAX;

/// The next to run.
enum Next {
    New(Running),
    Woken(usize),
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn push_woken(&mut self, place: usize) {
        self.places.push_back(place);
    }

    fn push_new(&mut self, task: Running) {
        self.places.push_back(NEW);
        self.new.push_back(task);
    }

    fn pop(&mut self) -> Option<Next> {
        match self.places.pop_front()? {
            NEW => self.new.pop_front().map(Next::New),
            place => Some(Next::Woken(place)),
        }
    }

    /// Appends all that is in the other, which is empty then.
    fn append(&mut self, from: &mut Queue) {
        match self.is_empty() {
            // Mostly; and it keeps the memory of both.
            true => std::mem::swap(self, from),
            false => {
                self.places.append(&mut from.places);
                self.new.append(&mut from.new);
            }
        }
    }
}

/// What other threads may reach.
pub(super) struct Shared {
    posted: Mutex<Posted>,
    /// Whether anything is posted; written under its lock.
    is_any: AtomicBool,
    unparker: Unparker,
}

/// What is to run, of other threads.
#[derive(Default)]
struct Posted {
    ready: Queue,
    /// The runtime is gone: what comes now is dropped.
    ended: bool,
}

impl Executor {
    pub(super) fn new(unparker: Unparker) -> Executor {
        let (posted, is_any) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { posted, is_any, unparker });
        Executor { shared, tasks: Slab::new(), batch: Queue::default() }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Makes this thread the one that runs these tasks, until the answer is dropped.
    pub(super) fn enter(&self) -> Entered {
        let local = Local { shared: Arc::clone(&self.shared), ready: Queue::default() };
        Entered { outer: LOCAL.replace(Some(local)) }
    }

    /// Runs every task that is woken now, once (twice if another thread woke it, too), on the thread
    /// that [entered](Self::enter). Those that wake meanwhile are the next call's, and their waking
    /// unparks.
    pub(super) fn run(&mut self) {
        if self.shared.is_any.load(Ordering::Acquire) {
            let mut posted = self.shared.lock();
            self.shared.is_any.store(false, Ordering::Relaxed);
            self.batch.append(&mut posted.ready);
        }
        at_home(Arc::as_ptr(&self.shared), |local| self.batch.append(&mut local.ready));
        while let Some(next) = self.batch.pop() {
            let place = match next {
                Next::New(task) => self.place(task),
                Next::Woken(place) => place,
            };
            self.poll(place);
        }
    }

    fn place(&mut self, task: Running) -> usize {
        let entry = self.tasks.vacant_entry();
        let place = entry.key();
        task.common.wakeup.place.store(place, Ordering::Relaxed);
        entry.insert(task);
        place
    }

    fn poll(&mut self, place: usize) {
        let Some(task) = self.tasks.get_mut(place) else { return };
        if task.common.wakeup.begin_turn() {
            let mut cx = Context::from_waker(&task.waker);
            match catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut cx))) {
                Ok(polled) if polled.is_pending() => return,
                Ok(_) => {}
                Err(panic) => {
                    drop(self.tasks.remove(place));
                    resume_unwind(panic);
                }
            }
        }
        drop(self.tasks.remove(place));
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        // Foreign code runs when futures are dropped: it may wake and start tasks, none of which runs.
        drop(std::mem::take(&mut self.batch));
        self.tasks.clear();
        let left = std::mem::take(&mut self.shared.lock().ready);
        drop(left);
    }
}

impl Shared {
    /// Makes a task of the future, and wakes it for the first time.
    pub(super) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let common = Arc::new(Common { wakeup: Wakeup::new(self), end: End::default() });
        let task = Task::new(Arc::clone(&common));
        let future = Box::pin(Tracked::new(future, Arc::clone(&common)));
        let waker = Waker::from(Arc::clone(&common));
        let mut new = Some(Running { future, common, waker });
        at_home(Arc::as_ptr(self), |local| {
            new.take().into_iter().for_each(|new| local.ready().push_new(new));
        });
        new.into_iter().for_each(|new| self.post(|ready| ready.push_new(new)));
        task
    }

    fn post(&self, push: impl FnOnce(&mut Queue)) {
        let mut posted = self.lock();
        if posted.ended {
            // Foreign code runs when the future is dropped.
            drop(posted);
            drop(push);
            return;
        }
        let is_first = posted.ready.is_empty();
        push(&mut posted.ready);
        self.is_any.store(true, Ordering::Release);
        drop(posted);
        if is_first {
            self.unparker.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Posted> {
        // No foreign code runs under this lock, so nothing panics there.
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

/// The runtime that runs on a thread, and what was woken there.
struct Local {
    shared: Arc<Shared>,
    ready: Queue,
}

impl Local {
    /// To be pushed to.
    fn ready(&mut self) -> &mut Queue {
        self.shared.unparker.unpark_here();
        &mut self.ready
    }
}

/// Calls `f` on the thread that runs these tasks; elsewhere answers `None`.
fn at_home<R>(of: *const Shared, f: impl FnOnce(&mut Local) -> R) -> Option<R> {
    // An error means that the thread is ending, and runs nothing any more.
    let called = LOCAL.try_with(|local| {
        let mut local = local.borrow_mut();
        let own = local.as_mut().filter(|local| Arc::as_ptr(&local.shared) == of);
        own.map(f)
    });
    called.unwrap_or(None)
}

/// Ends [`Executor::enter`] when dropped: what is still to run can then be run on any thread.
pub(super) struct Entered {
    /// Whoever ran on this thread before: runtimes can be nested.
    outer: Option<Local>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(Local { shared, mut ready }) = LOCAL.replace(self.outer.take()) else { return };
        if !ready.is_empty() {
            let mut posted = shared.lock();
            posted.ready.append(&mut ready);
            shared.is_any.store(true, Ordering::Release);
        }
    }
}

/// How a task comes to its turn.
#[derive(Debug)]
pub(super) struct Wakeup {
    shared: Weak<Shared>,
    /// Where the task is, once it has begun.
    place: AtomicUsize,
    /// Whether it waits for its turn, as far as the thread knows that runs it, and alone uses this.
    is_woken: AtomicBool,
    /// Whether other threads posted it since its last turn began, or it has not begun.
    is_posted: AtomicBool,
    is_cancelled: AtomicBool,
}

impl Wakeup {
    /// Of a task that waits for its first turn.
    fn new(shared: &Arc<Shared>) -> Wakeup {
        Wakeup {
            shared: Arc::downgrade(shared),
            place: AtomicUsize::new(usize::MAX),
            is_woken: AtomicBool::new(true),
            is_posted: AtomicBool::new(true),
            is_cancelled: AtomicBool::new(false),
        }
    }

    fn wake(&self) {
        let place = || self.place.load(Ordering::Relaxed);
        let wake_here = |local: &mut Local| {
            if !self.is_woken.load(Ordering::Relaxed) {
                self.is_woken.store(true, Ordering::Relaxed);
                local.ready().push_woken(place());
            }
        };
        let is_done = at_home(self.shared.as_ptr(), wake_here).is_some();
        // What happened before this is seen in the turn that begins after it.
        if !is_done && !self.is_posted.swap(true, Ordering::AcqRel) {
            let shared = self.shared.upgrade();
            shared.into_iter().for_each(|shared| shared.post(|ready| ready.push_woken(place())));
        }
    }

    /// Lets the task's next turn, which is soon, be its end.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
        self.wake();
    }

    /// The task may be woken again from now on. `false` if it was cancelled.
    fn begin_turn(&self) -> bool {
        self.is_woken.store(false, Ordering::Relaxed);
        if self.is_posted.load(Ordering::Relaxed) {
            self.is_posted.swap(false, Ordering::AcqRel);
        }
        !self.is_cancelled.load(Ordering::Acquire)
    }
}

impl<T: Send + 'static> Wake for Common<End<T>> {
    fn wake(self: Arc<Self>) {
        self.wakeup.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakeup.wake();
    }
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
