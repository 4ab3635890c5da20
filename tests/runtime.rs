//! When a runtime runs its tasks, and that it forgets none. The executor is the same on every
//! backend.

use std::future::{poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use unix_transport::{Epoll, Runtime, Settings};

/// How long anything may take before its test fails.
const LIMIT: Duration = Duration::from_secs(10);

fn runtime() -> Runtime<Epoll> {
    Runtime::new(&Settings::default()).expect("epoll works everywhere")
}

#[test]
fn no_task_runs_after_the_future_is_done() {
    let mut runtime = runtime();
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&has_run);
    let task = runtime.spawn(async move { runs.store(true, Ordering::Relaxed) });
    runtime.block_on(ready(()));
    assert!(!has_run.load(Ordering::Relaxed), "the future was done before the task had its turn");
    let limit = runtime.timeout(LIMIT, task);
    runtime.block_on(limit).expect("the next call runs what the first one left");
    assert!(has_run.load(Ordering::Relaxed));
}

/// Its waking is not the first of a batch, and nothing else ends the wait.
#[test]
fn a_task_that_is_woken_while_others_are_still_to_run_has_its_turn() {
    let mut runtime = runtime();
    let signal = Arc::new((AtomicBool::new(false), AtomicWaker::new()));
    let awaited = Arc::clone(&signal);
    let sleeper = runtime.spawn(poll_fn(move |cx| {
        awaited.1.register(cx.waker());
        match awaited.0.load(Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }));
    // It runs after the sleeper, and before the last one.
    let waker = runtime.spawn(async move {
        signal.0.store(true, Ordering::Release);
        signal.1.wake();
    });
    let last = runtime.spawn(ready(()));
    let limit = runtime.timeout(LIMIT, sleeper);
    runtime.block_on(limit).expect("it is woken, and runs");
    runtime.block_on(async {
        waker.await;
        last.await;
    });
}

/// They reach a runtime that runs, and one that sleeps.
#[test]
fn tasks_that_another_thread_starts_all_run() {
    const TASKS: usize = 1000;
    let mut runtime = runtime();
    let handle = runtime.handle();
    let done = Arc::new((AtomicUsize::new(0), AtomicWaker::new()));
    let counted = Arc::clone(&done);
    let spawner = std::thread::spawn(move || {
        for _ in 0..TASKS {
            let done = Arc::clone(&done);
            let task = handle.spawn(async move {
                done.0.fetch_add(1, Ordering::Release);
                done.1.wake();
            });
            task.detach();
        }
    });
    let all = poll_fn(|cx| {
        counted.1.register(cx.waker());
        match counted.0.load(Ordering::Acquire) {
            TASKS => Poll::Ready(()),
            _ => Poll::Pending,
        }
    });
    let limit = runtime.timeout(LIMIT, all);
    runtime.block_on(limit).expect("each of them runs");
    spawner.join().expect("it only spawns");
}
