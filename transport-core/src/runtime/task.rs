//! The handle of a task.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use crate::runtime::executor::Common;

/// A task that was started: a future of what it returns.
///
/// Dropping it cancels the task, whose future is dropped when the runtime comes to it; a task that
/// panics, or whose runtime is gone, panics whoever awaits it.
#[derive(Debug)]
#[must_use = "dropping a task cancels it; `detach` lets it run on"]
pub struct Task<T> {
    common: Arc<Common<End<T>>>,
    is_detached: bool,
}

impl<T> Task<T> {
    pub(super) fn new(common: Arc<Common<End<T>>>) -> Task<T> {
        Task { common, is_detached: false }
    }

    /// Lets the task run on by itself.
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    /// Cancels the task, and waits until its future is dropped; `None` if it was not done.
    pub async fn cancel(self) -> Option<T> {
        self.common.wakeup.cancel();
        poll_fn(|cx| self.common.end.poll(cx)).await
    }

    /// Whether it is done, panicked, or its runtime is gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !matches!(*self.common.end.lock(), State::Running(_))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = ready!(self.common.end.poll(cx));
        Poll::Ready(
            output.expect("the task panicked, its runtime is gone, or its output was taken"),
        )
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.common.end.lock(), State::Gone);
        if !self.is_detached && matches!(before, State::Running(_)) {
            self.common.wakeup.cancel();
        }
    }
}

/// How a task ends: between its future, which tells, and its handle.
#[derive(Debug)]
pub(super) struct End<T>(Mutex<State<T>>);

impl<T> Default for End<T> {
    fn default() -> End<T> {
        End(Mutex::new(State::Running(None)))
    }
}

#[derive(Debug)]
enum State<T> {
    /// And who waits for the end.
    Running(Option<Waker>),
    Done(T),
    /// Its future was dropped, what it returned was taken, or its handle is gone.
    Gone,
}

impl<T> End<T> {
    /// What the task returned, or `None` if it never will.
    fn poll(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        // Foreign code, which does not run under the lock.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        match &mut *state {
            State::Running(waiting) => {
                let before = waiting.replace(waker);
                drop(state);
                drop(before);
                Poll::Pending
            }
            State::Done(_) | State::Gone => match std::mem::replace(&mut *state, State::Gone) {
                State::Done(output) => Poll::Ready(Some(output)),
                _ => Poll::Ready(None),
            },
        }
    }

    /// It has come. Without a handle nobody keeps what the task returned.
    fn come(&self, end: State<T>) {
        let mut state = self.lock();
        if let State::Running(waiting) = &mut *state {
            let waiting = waiting.take();
            *state = end;
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project_lite::pin_project! {
    /// A future whose end its task's handle is told.
    pub(super) struct Tracked<F: Future> {
        // Dropped before the handle is told.
        #[pin]
        future: F,
        teller: Teller<F::Output>,
    }
}

/// Tells of the end when it is dropped.
struct Teller<T> {
    common: Arc<Common<End<T>>>,
    output: Option<T>,
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        self.common.end.come(self.output.take().map_or(State::Gone, State::Done));
    }
}

impl<F: Future> Tracked<F> {
    pub(super) fn new(future: F, common: Arc<Common<End<F::Output>>>) -> Tracked<F> {
        Tracked { future, teller: Teller { common, output: None } }
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.teller.output = Some(ready!(this.future.poll(cx)));
        Poll::Ready(())
    }
}
