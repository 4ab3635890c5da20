//! Tasks on one thread, over any driver: the same program on every backend.

mod executor;
mod handle;
mod spin;
mod task;

pub use handle::Handle;
pub use task::Task;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::backend::{Backend, Driver};
use crate::error::Result;
use crate::options::Settings;
use crate::runtime::executor::Executor;
use crate::runtime::spin::Spin;
use crate::timers::Sleep;
use crate::unparker::Unparker;

/// An executor and a backend's driver, on the thread that calls [`block_on`](Self::block_on).
///
/// One wait for the kernel serves all tasks. Dropping it drops the tasks, then the driver, which
/// closes the listeners; operations on handles that are left fail.
pub struct Runtime<B: Backend> {
    executor: Executor,
    transport: B::Transport,
    driver: B::Driver,
    spin: Duration,
}

impl<B: Backend> Runtime<B> {
    /// A runtime on a newly opened backend.
    ///
    /// # Errors
    /// Those of [`Backend::open`].
    pub fn new(settings: &Settings) -> Result<Runtime<B>> {
        let (transport, driver) = B::open(settings)?;
        Ok(Runtime { spin: settings.spin, ..Runtime::from_parts(transport, driver) })
    }

    /// A runtime on a backend that was opened before. It does not spin.
    #[must_use]
    pub fn from_parts(transport: B::Transport, driver: B::Driver) -> Runtime<B> {
        let executor = Executor::new(driver.unparker());
        Runtime { executor, transport, driver, spin: Duration::ZERO }
    }

    /// What makes listeners and connections.
    #[must_use]
    pub fn transport(&self) -> &B::Transport {
        &self.transport
    }

    /// What tasks and other threads need of this runtime.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.executor.shared(), self.driver.timers().clone())
    }

    /// Starts a task. Dropping the [`Task`] cancels it; [`Task::detach`] lets it run on.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.executor.shared().spawn(future)
    }

    /// A future that is ready after this time.
    pub fn sleep(&self, time: Duration) -> Sleep {
        self.handle().sleep(time)
    }

    /// Gives `future` this much time.
    ///
    /// # Errors
    /// `TimedOut`; the future is dropped then.
    pub fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> impl Future<Output = std::io::Result<F::Output>> + use<F, B> {
        self.handle().timeout(limit, future)
    }

    /// Runs `future` and all tasks on this thread until the future is done. Tasks that are left
    /// wait for the next call.
    ///
    /// # Panics
    /// When the driver can't wait: it belongs to another thread, or the process closed its
    /// descriptors.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        match self.driver.home().cloned() {
            Some(home) => home.run(|| self.block_here(future)),
            None => self.block_here(future),
        }
    }

    fn block_here<T>(&mut self, future: impl Future<Output = T>) -> T {
        let Runtime { executor, driver, spin, .. } = self;
        let mut spin = Spin::new(*spin);
        let unparker = driver.unparker();
        let root = Arc::new(Root { is_woken: AtomicBool::new(true), unparker: unparker.clone() });
        let waker = Waker::from(Arc::clone(&root));
        let mut future = pin!(future);
        let mut output = None;
        let _entered = executor.enter();
        loop {
            // Every wake before this is seen below; one after it keeps the driver awake.
            unparker.reset();
            if root.is_woken.load(Ordering::Relaxed)
                && root.is_woken.swap(false, Ordering::AcqRel)
                && let Poll::Ready(ready) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                output = Some(ready);
            }
            if output.is_none() {
                executor.run();
            }
            // A task that was woken meanwhile keeps the driver from sleeping, not from looking: tasks
            // that wake each other don't keep the others from the kernel's events. And before
            // returning, what the future did last (closing, sending) is submitted.
            let turned = match output {
                None => spin.wait(driver, &unparker),
                Some(_) => driver.turn(Some(Duration::ZERO)).map(drop),
            };
            if let Err(e) = turned {
                panic!("the driver can't wait: {e}");
            }
            if let Some(output) = output {
                return output;
            }
        }
    }
}

impl<B: Backend> fmt::Debug for Runtime<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("backend", &B::NAME).finish_non_exhaustive()
    }
}

/// The main future's waker: remembers the wake, and keeps the driver from sleeping.
struct Root {
    is_woken: AtomicBool,
    unparker: Unparker,
}

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Exchanged, so that whoever sees this sees what came before each wake.
        self.is_woken.swap(true, Ordering::Release);
        self.unparker.unpark();
    }
}
