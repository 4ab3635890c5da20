//! The handle of a task.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use crate::runtime::executor::Wakeup;

/// A task that was started: a future of what it returns.
///
/// Dropping it cancels the task, whose future is dropped when the runtime comes to it; a task that
/// panics, or whose runtime is gone, panics whoever awaits it.
#[derive(Debug)]
#[must_use = "dropping a task cancels it; `detach` lets it run on"]
pub struct Task<T> {
    end: Arc<End<T>>,
    is_detached: bool,
}

impl<T> Task<T> {
    /// Lets the task run on by itself.
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    /// Cancels the task, and waits until its future is dropped; `None` if it was not done.
    pub async fn cancel(self) -> Option<T> {
        self.end.wakeup.cancel();
        poll_fn(|cx| self.end.poll(cx)).await
    }

    /// Whether it is done, panicked, or its runtime is gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !matches!(*self.end.lock(), State::Running(_))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = ready!(self.end.poll(cx));
        Poll::Ready(
            output.expect("the task panicked, its runtime is gone, or its output was taken"),
        )
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.is_detached && !self.is_finished() {
            self.end.wakeup.cancel();
        }
    }
}

/// What the two sides of a task share: how it ends.
#[derive(Debug)]
struct End<T> {
    wakeup: Arc<Wakeup>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
enum State<T> {
    /// And who waits for the end.
    Running(Option<Waker>),
    Done(T),
    /// Its future was dropped, or what it returned was taken.
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

    /// It has come; once.
    fn come(&self, end: State<T>) {
        let before = std::mem::replace(&mut *self.lock(), end);
        if let State::Running(Some(waiting)) = before {
            waiting.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    end: Arc<End<T>>,
    output: Option<T>,
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        self.end.come(self.output.take().map_or(State::Gone, State::Done));
    }
}

impl<F: Future> Tracked<F> {
    pub(super) fn new(future: F, wakeup: Arc<Wakeup>) -> (Tracked<F>, Task<F::Output>) {
        let end = Arc::new(End { wakeup, state: Mutex::new(State::Running(None)) });
        let teller = Teller { end: Arc::clone(&end), output: None };
        (Tracked { future, teller }, Task { end, is_detached: false })
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
