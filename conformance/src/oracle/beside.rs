//! A peer's thread as a future: the backend under test goes on while a task waits for its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::oracle::{Peer, peer};

/// Starts a thread that plays the other side, while the runtime runs on. The future answers what
/// the thread answered; if the thread panicked, so does the future.
pub fn beside<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Beside<T> {
    let ended = Arc::<Ended>::default();
    let end = AtEnd(Arc::clone(&ended));
    let thread = peer(move || {
        let _end = end;
        body()
    });
    Beside { ended, thread: Some(thread) }
}

/// A thread that plays the other side: the future of its answer.
#[must_use = "the thread's answer, or its panic, would go unnoticed"]
pub struct Beside<T> {
    ended: Arc<Ended>,
    thread: Option<Peer<T>>,
}

impl<T> Future for Beside<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.ended.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_over {
            state.waiter = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(self.thread.take().expect("polled no more after its answer").finish())
    }
}

impl<T> Unpin for Beside<T> {}

/// Whether the thread's body is over, and who waits for that.
#[derive(Default)]
struct Ended {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_over: bool,
    waiter: Option<Waker>,
}

/// Announces the end of the body, also if it panics.
struct AtEnd(Arc<Ended>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_over = true;
        let waiter = state.waiter.take();
        drop(state);
        waiter.into_iter().for_each(Waker::wake);
    }
}
