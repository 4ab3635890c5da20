//! Hosts that do what they should not, or end too early: an error tells, and nothing hangs.

use std::future::{Future, pending};
use std::io::{ErrorKind, Write};
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use unix_transport::embed::nested::Nested;
use unix_transport::embed::thread::DriverThread;
use unix_transport::{AnyTransport, Auto, Driver, PollRead, PollWrite, Runtime, Settings};

use crate::checks::{adopted_pair, open, park_on, within_limit};

const ALL: [&str; 3] = ["blocking", "epoll", "uring"];
const NESTABLE: [&str; 2] = ["epoll", "uring"];

/// Waits, on another thread, for what the peers will never send: with an owned read, a borrowed one
/// and a write. `then` ends the driver; all three must hear of it.
fn with_waiters(transport: &AnyTransport, then: impl FnOnce()) {
    let waiting: Vec<_> = (0..3)
        .map(|way| {
            let (mut connection, peer) = adopted_pair(transport);
            let (sender, waits) = channel();
            let waiter = thread::spawn(move || {
                let mut buf = [0; 8];
                let mut operation = pin!(async {
                    match way {
                        0 => connection.recv().await.map(drop),
                        1 => connection.read(&mut buf).await.map(drop),
                        _ => connection.write_all(&vec![0; 8 << 20]).await,
                    }
                });
                let polled = operation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
                sender.send(()).expect("it is awaited");
                park_on(operation).expect_err("the peer never moves").kind()
            });
            waits.recv().expect("it began to wait");
            (waiter, peer)
        })
        .collect();
    then();
    for (waiter, _peer) in waiting {
        let kind = waiter.join().expect("no panic");
        assert_eq!(kind, ErrorKind::NotConnected, "the driver is gone");
    }
}

#[test]
fn a_ring_on_another_thread_is_refused() {
    let Some((transport, mut driver)) = open("uring", &Settings::default()) else { return };
    within_limit(move || {
        driver.turn(Some(Duration::ZERO)).expect("the first turn binds it");
        with_waiters(&transport, || {
            let elsewhere = thread::spawn(move || {
                let refused = [
                    driver.turn(None).map(drop),
                    driver.prepare().map(drop),
                    driver.dispatch().map(drop),
                ];
                for answer in refused {
                    let error = answer.expect_err("the ring is another thread's");
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert_eq!(
                        error.to_string(),
                        "the ring belongs to the thread of its first turn"
                    );
                }
            });
            elsewhere.join().expect("no panic");
        });
    });
}

#[test]
fn other_drivers_may_change_threads() {
    for backend in ["blocking", "epoll"] {
        let (transport, mut driver) = open(backend, &Settings::default()).expect("on any Linux");
        within_limit(move || {
            driver.turn(Some(Duration::ZERO)).expect("it turns");
            let (mut connection, mut peer) = adopted_pair(&transport);
            let thread = DriverThread::start(driver).expect("a thread");
            peer.write_all(b"moved").expect("connected");
            assert_eq!(*park_on(connection.recv()).expect("connected"), *b"moved");
            thread.stop().expect("it did not fail");
        });
    }
}

#[test]
fn a_driver_thread_that_fails_says_why() {
    let Some((transport, mut driver)) = open("uring", &Settings::default()) else { return };
    within_limit(move || {
        driver.turn(Some(Duration::ZERO)).expect("the first turn binds it");
        let mut failed = None;
        with_waiters(&transport, || failed = DriverThread::start(driver).ok());
        let error = failed.expect("a thread").stop().expect_err("it can't turn there");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    });
}

#[test]
fn a_runtime_dropped_under_live_connections() {
    for backend in ALL {
        let Some((transport, driver)) = open(backend, &Settings::default()) else { continue };
        within_limit(move || {
            let mut runtime = Runtime::<Auto>::from_parts(transport.clone(), driver);
            let handle = runtime.handle();
            let forgotten = runtime.spawn(pending::<()>());
            with_waiters(&transport, || {
                runtime.block_on(handle.sleep(Duration::from_millis(1)));
                drop(runtime);
            });
            drop(forgotten);
            park_on(handle.sleep(Duration::from_secs(3600)));
        });
    }
}

#[test]
fn a_driver_thread_dropped_under_live_connections() {
    for backend in ALL {
        let Some((transport, driver)) = open(backend, &Settings::default()) else { continue };
        within_limit(move || {
            let thread = DriverThread::start(driver).expect("a thread");
            with_waiters(&transport, || drop(thread));
        });
    }
}

/// The waker that drops the thread's handle is called on that very thread.
#[test]
fn a_driver_thread_dropped_by_itself() {
    struct Drops(Mutex<Option<DriverThread>>, Sender<()>);
    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().expect("no panic").take());
            _ = self.1.send(()); // a second wake is not awaited
        }
    }
    for backend in ALL {
        let Some((transport, driver)) = open(backend, &Settings::default()) else { continue };
        within_limit(move || {
            let (mut connection, mut peer) = adopted_pair(&transport);
            let (sender, is_dropped) = channel();
            let thread = DriverThread::start(driver).expect("a thread");
            let waker = Waker::from(Arc::new(Drops(Mutex::new(Some(thread)), sender)));
            with_waiters(&transport, || {
                assert!(connection.poll_recv(&mut Context::from_waker(&waker)).is_pending());
                peer.write_all(b"x").expect("connected");
                is_dropped.recv().expect("no panic in between");
            });
        });
    }
}

#[test]
fn a_tokio_runtime_dropped_under_a_nested_driver() {
    for backend in NESTABLE {
        let Some((transport, driver)) = open(backend, &Settings::default()) else { continue };
        within_limit(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            let mut nested = {
                let _inside = runtime.enter();
                Nested::new(driver).expect("it can be nested")
            };
            with_waiters(&transport, || {
                let asleep =
                    async { tokio::time::timeout(Duration::from_millis(5), nested.turn()).await };
                _ = runtime.block_on(asleep); // it goes on, or waits
                drop(runtime);
                // Not every turn sleeps.
                let error = (0..10).find_map(|_| park_on(nested.turn()).err());
                println!("{backend}: {}", error.expect("tokio says that it is gone"));
                drop(nested);
            });
        });
    }
}

#[test]
fn a_driver_without_a_descriptor_is_not_nested() {
    let (_, driver) = open("blocking", &Settings::default()).expect("on any system");
    let error = Nested::new(driver).expect_err("there is nothing to wait for");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("no descriptor to wait for"), "{error}");
}

/// Operations wait meanwhile, and go on when their host does; or fail, if it drops the driver.
#[test]
fn a_host_that_stops_polling() {
    for backend in NESTABLE {
        let Some((transport, driver)) = open(backend, &Settings::default()) else { continue };
        within_limit(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            let (mut connection, mut peer) = adopted_pair(&transport);
            with_waiters(&transport, || {
                runtime.block_on(async {
                    let mut nested = pin!(Nested::new(driver).expect("it can be nested").run());
                    let mut received = pin!(connection.recv());
                    {
                        let mut cx = Context::from_waker(Waker::noop());
                        assert!(received.as_mut().poll(&mut cx).is_pending());
                        // Until it has announced its sleep, and beyond.
                        assert!((0..10).all(|_| nested.as_mut().poll(&mut cx).is_pending()));
                    }
                    peer.write_all(b"late").expect("connected");
                    // tokio turns, the driver does not.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    tokio::select! {
                        bytes = received => assert_eq!(*bytes.expect("connected"), *b"late"),
                        failed = nested => panic!("{failed:?}"),
                    }
                });
            });
        });
    }
}
