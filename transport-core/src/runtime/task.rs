//! The handle of a task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::executor::Home;

/// A task that was started: a future of what it returns.
///
/// Dropping it cancels the task, whose future is dropped when the runtime comes to it; a task that
/// panics, or whose runtime is gone, panics whoever awaits it.
#[derive(Debug)]
#[must_use = "dropping a task cancels it; `detach` lets it run on"]
pub struct Task<T>(async_task::Task<T, Home>);

impl<T> Task<T> {
    pub(super) fn new(task: async_task::Task<T, Home>) -> Task<T> {
        Task(task)
    }

    /// Lets the task run on by itself.
    pub fn detach(self) {
        self.0.detach();
    }

    /// Cancels the task, and waits until its future is dropped; `None` if it was not done.
    pub async fn cancel(self) -> Option<T> {
        self.0.cancel().await
    }

    /// Whether it is done, or was cancelled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}
