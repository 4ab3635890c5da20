//! Sockets on the reactors of others: what a wait costs, and how it ends with their runtime.

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::pin;
use std::sync::Barrier;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::runtime::Builder;
use unix_transport::embed::hosted::async_io::AsyncIoReactor;
use unix_transport::embed::hosted::tokio::TokioReactor;
use unix_transport::{Address, Connection, Listener, PollRead, Readiness, Transport, is_closed};

/// A wait that takes longer is lost.
const LOST: Duration = Duration::from_secs(10);

/// Runs `wait` on a thread of its own, and answers once it waits.
fn waiting<T: Send + 'static>(
    wait: impl Future<Output = io::Result<T>> + Send + 'static,
) -> Receiver<io::Result<T>> {
    let (tell, told) = mpsc::channel();
    let (begin, begun) = mpsc::channel();
    thread::spawn(move || {
        let mut wait = Box::pin(wait);
        let result = block_on(poll_fn(|cx| {
            let polled = wait.as_mut().poll(cx);
            // Nobody listens any more after the first time.
            _ = begin.send(polled.is_pending());
            polled
        }));
        _ = tell.send(result);
    });
    assert_eq!(begun.recv_timeout(LOST), Ok(true), "it waits");
    told
}

/// A listener with room for one client, and that client.
fn full_backlog(path: &Path) -> (Address, (Socket, UnixStream)) {
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    listener.bind(&SockAddr::unix(path).expect("a short path")).expect("the path is free");
    listener.listen(0).expect("it is bound");
    let client = UnixStream::connect(path).expect("there is room for one");
    (Address::path(path).expect("a short path"), (listener, client))
}

/// Every wait is over, with an error, also on threads that tokio knows nothing of.
#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = Address::path(directory.path().join("socket")).expect("a short path");
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let transport = Readiness::new(TokioReactor::new(runtime.handle().clone()));

    let mut listener = transport.listen(&address, &Default::default()).expect("the path is free");
    let accepting = waiting(async move { listener.accept().await.map(drop) });
    let pair = || transport.pair(&Default::default()).expect("a pair needs nothing");
    let (mut read, _peer) = pair();
    let reading = waiting(async move { read.read(&mut [0; 8]).await });
    let (mut timed, _timed_peer) = pair();
    timed.set_read_deadline(Some(Instant::now() + Duration::from_secs(3600)));
    let timing = waiting(async move { timed.read(&mut [0; 8]).await });
    let (mut untried, _untried_peer) = pair();
    let (full, _backlog) = full_backlog(&directory.path().join("full"));
    let connecting = waiting({
        let transport = transport.clone();
        async move { Ok(transport.connect(&full, &Default::default()).await.map(drop)?) }
    });

    drop(runtime);
    let ended = |told: Receiver<io::Result<usize>>| {
        let result = told.recv_timeout(LOST).expect("the wait is over");
        let kind = result.expect_err("nothing was sent").kind();
        assert!(matches!(kind, io::ErrorKind::NotConnected | io::ErrorKind::TimedOut), "{kind:?}");
    };
    ended(reading);
    ended(timing);
    let accepted = accepting.recv_timeout(LOST).expect("the wait is over");
    let error = accepted.expect_err("nobody came");
    assert!(is_closed(&error), "its listeners end with a runtime: {error}");
    let connected = connecting.recv_timeout(LOST).expect("the wait is over");
    let error = connected.expect_err("there was no room").to_string();
    assert!(error.ends_with("the driver is gone"), "{error}");
    let refused = block_on(untried.read(&mut [0; 8])).expect_err("nobody would wake it");
    assert_eq!(refused.to_string(), "the driver is gone");
    let refused = block_on(transport.connect(&address, &Default::default()));
    assert!(refused.is_err(), "the listener is closed");
    let refused = transport.pair(&Default::default()).err().map(|error| error.to_string());
    assert_eq!(refused.as_deref(), Some("make a pair: the driver is gone"));
    assert!(untried.peer_credentials().is_ok(), "what needs no waiting still works");
}

/// `async-io`'s own thread waits for the sockets here, and is waiting already when the reader asks.
#[test]
fn a_reader_on_a_thread_without_reactor_is_woken_once_for_a_message() {
    let transport = Readiness::new(AsyncIoReactor);
    let (ours, mut peer) = UnixStream::pair().expect("a pair needs nothing");
    let connection = transport.adopt_connection(ours.into(), &Default::default());
    let mut connection = connection.expect("a stream");
    let asked = Barrier::new(2);
    for _ in 0..1000 {
        thread::scope(|scope| {
            scope.spawn(|| {
                asked.wait();
                peer.write_all(&[7]).expect("the reader is there");
            });
            let (mut buf, mut polls) = ([0; 8], 0);
            let mut read = pin!(connection.read(&mut buf));
            let count = block_on(poll_fn(|cx| {
                let polled = read.as_mut().poll(cx);
                polls += 1;
                if polls == 1 {
                    asked.wait();
                }
                polled
            }));
            assert_eq!(count.expect("it was sent"), 1);
            assert_eq!(polls, 2, "one to wait, one to read");
        });
    }
}
