//! When a runtime runs its tasks, and that it forgets none. The executor is the same on every
//! backend.

use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use unix_transport::runtime::Handle;
use unix_transport::{Backend, Epoll, Runtime, Settings};

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
    const TASKS: usize = if cfg!(miri) { 30 } else { 1000 };
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

/// A future that never is ready, and counts when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Future for Dropped {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_whose_handle_is_dropped_is_cancelled() {
    let mut runtime = runtime();
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = || dropped.load(Ordering::Relaxed);
    // One that has had a turn, and one that has not.
    let begun = runtime.spawn(Dropped(Arc::clone(&dropped)));
    let turn = runtime.spawn(ready(()));
    runtime.block_on(turn);
    let new = runtime.spawn(Dropped(Arc::clone(&dropped)));
    assert!(!begun.is_finished() && !new.is_finished());
    drop((begun, new));
    assert_eq!(count(), 0, "only the runtime's thread drops it");
    let turn = runtime.spawn(ready(()));
    runtime.block_on(turn);
    assert_eq!(count(), 2);
    runtime.spawn(Dropped(Arc::clone(&dropped))).detach();
    let turn = runtime.spawn(ready(()));
    runtime.block_on(turn);
    assert_eq!(count(), 2, "who is detached goes on");
    drop(runtime);
    assert_eq!(count(), 3, "as long as the runtime");
}

/// However long its wakers are kept.
#[test]
fn what_nobody_awaits_is_dropped_with_its_task() {
    let mut runtime = runtime();
    let dropped = Arc::new(AtomicUsize::new(0));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let [detached, done] = [(); 2].map(|()| {
        let (kept, mut output) = (Arc::clone(&kept), Some(Dropped(Arc::clone(&dropped))));
        runtime.spawn(poll_fn(move |cx| {
            kept.lock().expect("nobody panics").push(cx.waker().clone());
            output.take().map_or(Poll::Pending, Poll::Ready)
        }))
    });
    detached.detach();
    let turn = runtime.spawn(ready(()));
    runtime.block_on(turn);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    assert!(done.is_finished());
    drop(done);
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
}

#[test]
fn cancelling_waits_until_the_future_is_dropped() {
    let mut runtime = runtime();
    let dropped = Arc::new(AtomicUsize::new(0));
    let handle = runtime.handle();
    let limit = runtime.handle().timeout(LIMIT, async {
        let waits = handle.spawn(Dropped(Arc::clone(&dropped)));
        assert_eq!(waits.cancel().await, None);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        let done = handle.spawn(ready(7));
        handle.spawn(ready(())).await;
        assert!(done.is_finished());
        assert_eq!(done.cancel().await, Some(7), "it was too late");
    });
    runtime.block_on(limit).expect("nothing else is waited for");
}

#[test]
fn whoever_awaits_a_task_is_told_when_its_future_is_dropped() {
    type Log = Mutex<Vec<&'static str>>;
    struct Told(Arc<Log>);
    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.lock().expect("nobody panics").push("told");
        }
    }
    /// Ready at once.
    struct Logs(Arc<Log>);
    impl Future for Logs {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    impl Drop for Logs {
        fn drop(&mut self) {
            self.0.lock().expect("nobody panics").push("dropped");
        }
    }
    let mut runtime = runtime();
    let log = Arc::<Log>::default();
    let mut task = runtime.spawn(Logs(Arc::clone(&log)));
    let waker = Waker::from(Arc::new(Told(Arc::clone(&log))));
    assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
    let turn = runtime.spawn(ready(()));
    runtime.block_on(turn);
    assert!(task.is_finished());
    assert_eq!(*log.lock().expect("nobody panics"), ["dropped", "told"]);
}

#[test]
fn a_panic_in_a_task_is_the_runtimes_and_of_whoever_awaits_it() {
    let mut runtime = runtime();
    let panics = runtime.spawn(async { panic!("on purpose") });
    let other = runtime.spawn(ready(7));
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(pending::<()>())));
    assert_eq!(run.expect_err("it goes through").downcast_ref(), Some(&"on purpose"));
    assert!(panics.is_finished());
    assert_eq!(runtime.block_on(other), 7, "the others go on");
    assert!(catch_unwind(AssertUnwindSafe(|| runtime.block_on(panics))).is_err());
}

#[test]
fn nothing_runs_on_a_runtime_that_is_gone() {
    struct Starts(Handle);
    impl Drop for Starts {
        fn drop(&mut self) {
            // It is not gone yet, and yet nothing will run.
            self.0.spawn(async { unreachable!("nothing runs") }).detach();
        }
    }
    let mut first = runtime();
    let handle = first.handle();
    let starts = Starts(first.handle());
    let task = first.spawn(async move {
        let _starts = starts;
        pending::<()>().await;
    });
    let turn = first.spawn(ready(()));
    first.block_on(turn);
    drop(first);
    assert!(task.is_finished());
    assert!(handle.try_spawn(ready(())).is_none());
    let mut second = runtime();
    assert!(catch_unwind(AssertUnwindSafe(|| second.block_on(task))).is_err());
}

/// The other thread is as often too early, when the task is about to wait, as too late.
#[test]
fn no_wake_of_another_thread_is_lost() {
    hears_every_round::<Epoll>(&Settings::default());
}

/// Not while the runtime looks without sleeping, either.
#[test]
fn no_wake_is_lost_while_spinning() {
    let mut settings = Settings::default();
    settings.spin = Duration::from_millis(1);
    hears_every_round::<Epoll>(&settings);
    // Miri knows neither `ppoll` nor io_uring.
    #[cfg(all(feature = "blocking", not(miri)))]
    hears_every_round::<unix_transport::Blocking>(&settings);
    #[cfg(all(feature = "uring", not(miri)))]
    if unix_transport::Uring::probe().is_yes() {
        hears_every_round::<unix_transport::Uring>(&settings);
    }
}

/// As many rounds as there is time for.
fn hears_every_round<B: Backend>(settings: &Settings) {
    const ROUNDS: usize = if cfg!(miri) { 100 } else { 100_000 };
    const TIME: Duration = Duration::from_secs(1);
    const END: usize = usize::MAX;
    let mut runtime = Runtime::<B>::new(settings).expect("it works here");
    let told = Arc::new((AtomicUsize::new(0), OnceLock::<Waker>::new()));
    let heard = Arc::new(AtomicUsize::new(0));
    let (telling, hearing) = (Arc::clone(&told), Arc::clone(&heard));
    let teller = std::thread::spawn(move || {
        let waker = telling.1.wait();
        let begun = Instant::now();
        let rounds = (1..=ROUNDS).take_while(|_| begun.elapsed() < TIME);
        for round in rounds.chain([END]) {
            // The first wake gives the task a turn; the second comes when that is about to begin.
            waker.wake_by_ref();
            (0..round % 200).for_each(|_| std::hint::spin_loop());
            // Nothing else but the waker orders this.
            telling.0.store(round, Ordering::Relaxed);
            waker.wake_by_ref();
            let end = Instant::now() + LIMIT;
            while hearing.load(Ordering::Acquire) != round {
                assert!(Instant::now() < end, "round {round} was not heard of");
                std::thread::yield_now();
            }
        }
    });
    let task = runtime.spawn(poll_fn(move |cx| {
        told.1.get_or_init(|| cx.waker().clone());
        let round = told.0.load(Ordering::Relaxed);
        heard.store(round, Ordering::Release);
        if round == END { Poll::Ready(()) } else { Poll::Pending }
    }));
    let limit = runtime.timeout(TIME + 2 * LIMIT, task);
    runtime.block_on(limit).expect("it hears of the end");
    teller.join().expect("every round was heard of");
}
