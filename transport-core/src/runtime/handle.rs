//! What tasks and other threads may ask of a runtime.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::error::timed_out;
use crate::runtime::executor::Shared;
use crate::runtime::task::Task;
use crate::timers::{Sleep, Timers};

/// Starts tasks and timers on a runtime, from any thread. Keeps nothing alive.
#[derive(Clone)]
pub struct Handle {
    executor: Weak<Shared>,
    timers: Timers,
}

impl Handle {
    pub(super) fn new(executor: &Arc<Shared>, timers: Timers) -> Handle {
        Handle { executor: Arc::downgrade(executor), timers }
    }

    /// Starts a task, which wakes the runtime if it sleeps. Dropping the [`Task`] cancels it;
    /// [`Task::detach`] lets it run on.
    ///
    /// # Panics
    /// If the runtime is gone: nothing would ever run the task.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.try_spawn(future).expect("a task needs its runtime")
    }

    /// [`spawn`](Self::spawn), but `None` if the runtime is gone: the future is dropped, as the
    /// runtime's own tasks were.
    pub fn try_spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<Task<T>> {
        self.executor.upgrade().map(|executor| executor.spawn(future))
    }

    /// A future that is ready after this time; at once if the runtime is gone. A time beyond the
    /// clock's range is about thirty years.
    pub fn sleep(&self, time: Duration) -> Sleep {
        let now = Instant::now();
        let far = Duration::from_secs(1_000_000_000);
        self.timers.sleep(now.checked_add(time).unwrap_or(now + far))
    }

    /// Gives `future` this much time.
    ///
    /// # Errors
    /// `TimedOut`; the future is dropped then.
    pub fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> impl Future<Output = io::Result<F::Output>> + use<F> {
        let mut sleep = self.sleep(limit);
        async move {
            let mut future = pin!(future);
            poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| Err(timed_out())),
            })
            .await
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
