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

    /// Whether it is done, or was cancelled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !matches!(*self.end.lock(), State::Running(_))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = ready!(self.end.poll(cx));
        Poll::Ready(output.expect("the task panicked, or its runtime is gone"))
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
        let mut state = self.lock();
        match &mut *state {
            State::Running(waiting) => {
                let waiting = waiting.replace(cx.waker().clone());
                drop(state);
                drop(waiting);
                Poll::Pending
            }
            State::Done(_) | State::Gone => match std::mem::replace(&mut *state, State::Gone) {
                State::Done(output) => Poll::Ready(Some(output)),
                _ => Poll::Ready(None),
            },
        }
    }

    /// Does nothing if it has come to its end before.
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project_lite::pin_project! {
    /// A future that tells its task's handle how it ends.
    pub(super) struct Tracked<F: Future> {
        // Dropped first.
        #[pin]
        future: F,
        teller: Teller<F::Output>,
    }
}

/// Tells of the end, at the latest when it is dropped.
struct Teller<T>(Arc<End<T>>);

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        self.0.come(State::Gone);
    }
}

impl<F: Future> Tracked<F> {
    pub(super) fn new(future: F, wakeup: Arc<Wakeup>) -> (Tracked<F>, Task<F::Output>) {
        let end = Arc::new(End { wakeup, state: Mutex::new(State::Running(None)) });
        let teller = Teller(Arc::clone(&end));
        (Tracked { future, teller }, Task { end, is_detached: false })
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        this.teller.0.come(State::Done(output));
        Poll::Ready(())
    }
}
