//! Ways to nest a driver in another loop, each as a function that brings a future to its end.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, Mode, PostAction};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::task::LocalSet;
use unix_transport::embed::nested::Nested;
use unix_transport::{Driver, Prepared};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A loop on epoll itself that is told of the driver's descriptor as long as it is readable.
pub(crate) fn epoll_level_triggered(driver: Box<dyn Driver>, task: Task) {
    raw_epoll(driver, task, EpollFlags::EPOLLIN);
}

/// One that is told only once each time.
pub(crate) fn epoll_edge_triggered(driver: Box<dyn Driver>, task: Task) {
    raw_epoll(driver, task, EpollFlags::EPOLLIN | EpollFlags::EPOLLET);
}

fn raw_epoll(mut driver: Box<dyn Driver>, mut task: Task, flags: EpollFlags) {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    let fd = driver.wait_fd().expect("the driver can be nested");
    epoll.add(fd, EpollEvent::new(flags, 0)).expect("it can be watched");
    let waker = driver.unparker().waker();
    while task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        let timeout = match driver.prepare().expect("it prepares") {
            Prepared::Ready => EpollTimeout::ZERO,
            Prepared::SleepUntil(None) => EpollTimeout::NONE,
            Prepared::SleepUntil(Some(until)) => {
                let left = until.saturating_duration_since(Instant::now());
                EpollTimeout::try_from(left.as_nanos().div_ceil(1_000_000)).expect("short")
            }
        };
        match epoll.wait(&mut [EpollEvent::empty()], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => panic!("{errno}"),
        }
        driver.dispatch().expect("it dispatches");
    }
}

/// tokio with one thread.
pub(crate) fn tokio_one_thread(driver: Box<dyn Driver>, task: Task) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    beside(builder.enable_all().build().expect("a runtime"), driver, task);
}

/// tokio with many: the driver is where the main future is.
pub(crate) fn tokio_many_threads(driver: Box<dyn Driver>, task: Task) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    beside(builder.worker_threads(2).enable_all().build().expect("a runtime"), driver, task);
}

fn beside(runtime: tokio::runtime::Runtime, driver: Box<dyn Driver>, task: Task) {
    runtime.block_on(async {
        let nested = Nested::new(driver).expect("it can be nested");
        tokio::select! {
            () = task => {}
            failed = nested.run() => panic!("{failed:?}"),
        }
    });
}

/// tokio, the driver and the task being tasks of a `LocalSet`.
pub(crate) fn tokio_local_set(driver: Box<dyn Driver>, task: Task) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let nested = Nested::new(driver).expect("it can be nested");
        let nested = tokio::task::spawn_local(nested.run());
        tokio::task::spawn_local(task).await.expect("no panic");
        nested.abort();
    });
}

/// calloop, with its own executor.
pub(crate) fn calloop(mut driver: Box<dyn Driver>, task: Task) {
    let mut event_loop = EventLoop::try_new().expect("a loop");
    let fd = driver.wait_fd().expect("it can be nested").try_clone_to_owned().expect("room");
    let fd = Generic::new(fd, Interest::READ, Mode::Level);
    let handle = event_loop.handle();
    handle.insert_source(fd, |_, _, _| Ok(PostAction::Continue)).expect("it can be watched");
    let (executor, tasks) = calloop::futures::executor().expect("an executor");
    handle.insert_source(executor, |(), (), is_done| *is_done = true).expect("it is new");
    tasks.schedule(task).expect("the executor is there");
    let mut is_done = false;
    while !is_done {
        let timeout = match driver.prepare().expect("it prepares") {
            Prepared::Ready => Some(Duration::ZERO),
            Prepared::SleepUntil(until) => {
                until.map(|until| until.saturating_duration_since(Instant::now()))
            }
        };
        event_loop.dispatch(timeout, &mut is_done).expect("it goes on");
        driver.dispatch().expect("it dispatches");
    }
}
