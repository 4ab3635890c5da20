//! A client that arrives at a listener that threads share wakes all of them, or one if that was
//! asked for (`ListenOptions::wake_one`): counted in sleeps of the threads, because epoll itself puts
//! a thread to sleep again that finds nothing any more. And then the threads take turns.

use std::cell::Cell;
use std::future::poll_fn;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{Pid, gettid};
use unix_transport::{
    Address, Availability, Backend, Driver, Epoll, ListenOptions, Listener, Settings, Transport,
    Uring, is_closed,
};

const THREADS: usize = 4;
const CLIENTS: usize = 50;

/// How often the threads slept, all together, while clients came one after the other, each when all
/// of them slept; and how many clients each accepted.
fn sleeps<B: Backend>(options: &ListenOptions) -> (i64, Vec<usize>) {
    let directory = tempfile::tempdir().expect("a directory");
    let at = Address::path(directory.path().join("socket")).expect("a short path");
    let (first, _driver) = B::open(&Settings::default()).expect("it was probed");
    let listener = first.listen(&at, options).expect("a new path");
    let ready = Barrier::new(THREADS + 1);
    let (sender, accepted) = std::sync::mpsc::channel();
    let (tell, started) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (transport, mut driver) = B::open(&Settings::default()).expect("probed");
                let mut listener = transport.share_listener(&listener).expect("it is open");
                let (sender, tell, ready) = (sender.clone(), tell.clone(), &ready);
                scope.spawn(move || {
                    let own = Cell::new(0);
                    let mut accept_all = pin!(poll_fn(|cx| loop {
                        match listener.poll_accept(cx) {
                            Poll::Ready(Ok(accepted)) => {
                                own.set(own.get() + 1);
                                sender.send(accepted).expect("awaited");
                            }
                            Poll::Ready(Err(e)) if is_closed(&e) => return Poll::Ready(()),
                            Poll::Ready(Err(e)) => panic!("{e}"),
                            Poll::Pending => return Poll::Pending,
                        }
                    }));
                    let waker = driver.unparker().waker();
                    let mut cx = Context::from_waker(&waker);
                    // The first turn also tells the kernel what the accept waits for.
                    assert!(accept_all.as_mut().poll(&mut cx).is_pending());
                    driver.turn(Some(Duration::ZERO)).expect("no error");
                    tell.send(gettid()).expect("awaited");
                    ready.wait();
                    let before = sleeps_of_this_thread();
                    while accept_all.as_mut().poll(&mut cx).is_pending() {
                        driver.turn(None).expect("no error");
                    }
                    (sleeps_of_this_thread() - before, own.get())
                })
            })
            .collect();
        ready.wait();
        let started: Vec<Pid> = started.iter().take(THREADS).collect();
        for _ in 0..CLIENTS {
            wait_until_asleep(&started);
            let client = UnixStream::connect(at.as_path().expect("a path")).expect("it listens");
            drop(accepted.recv().expect("a thread accepts"));
            drop(client);
        }
        // Wakes each of them once more.
        listener.closer().close();
        let ended = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        let (sleeps, accepted): (Vec<i64>, Vec<usize>) = ended.unzip();
        (sleeps.iter().sum(), accepted)
    })
}

/// A thread that is awake would take the client without having been woken.
fn wait_until_asleep(threads: &[Pid]) {
    let end = Instant::now() + Duration::from_secs(10);
    let sleeps = |thread: &Pid| {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
        let stat = stat.expect("it lives");
        // The state stands behind the name, which is in brackets.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    };
    while !threads.iter().all(sleeps) {
        assert!(Instant::now() < end, "all threads wait for clients");
        thread::yield_now();
    }
}

fn sleeps_of_this_thread() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).expect("known").voluntary_context_switches()
}

fn check<B: Backend>() {
    if let Availability::No(why) = B::probe() {
        let strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
        assert!(!strict, "skipped in strict mode: {} is unavailable: {why}", B::NAME);
        println!("SKIP {} is unavailable: {why}", B::NAME);
        return;
    }
    let (all, _) = sleeps::<B>(&ListenOptions::new());
    let (one, accepted) = sleeps::<B>(&ListenOptions::new().wake_one(true));
    println!("{}: {CLIENTS} clients woke {THREADS} threads {all} times, or {one} times", B::NAME);
    // Each thread also sleeps once before the first client and once before the end.
    let most = CLIENTS as i64 * 3 / 2;
    assert!(one <= most, "with the option a client wakes one thread");
    assert!(all > most, "without it a client wakes others too, or this test shows nothing");
    let fair = CLIENTS / THREADS / 2;
    assert!(accepted.iter().all(|own| *own >= fair), "the threads take turns: {accepted:?}");
}

#[test]
fn a_client_wakes_one_thread_on_epoll() {
    check::<Epoll>();
}

#[test]
fn a_client_wakes_one_thread_on_io_uring() {
    check::<Uring>();
}
