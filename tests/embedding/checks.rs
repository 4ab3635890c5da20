//! What every form of nesting must show. A form is a function that brings a future to its end while
//! it moves a driver; if a wake is lost it does not come back, which is noticed here.

use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join;
use futures_util::stream::{FuturesUnordered, StreamExt};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use unix_transport::{
    Address, AdoptOptions, AnyTransport, Chunk, Connection, Driver, ListenOptions, Listener,
    PollRead, PollWrite, Selection, Settings, Transport, is_closed, select,
};

/// A form of nesting.
pub(crate) type Form = fn(Box<dyn Driver>, Pin<Box<dyn Future<Output = ()>>>);

const LIMIT: Duration = Duration::from_secs(60);

/// Other threads use handles while the driver sleeps in its host: they arm receives, and one closes
/// what the host's own task waits for.
pub(crate) fn woken_from_another_thread(backend: &str, form: Form) {
    let Some((transport, driver)) = open(backend, &Settings::default()) else { return };
    within_limit(move || {
        let (mut awaited, _peer_of_awaited) = adopted_pair(&transport);
        let (mut connection, mut peer) = adopted_pair(&transport);
        let closer = awaited.closer();
        let other = thread::spawn(move || {
            for round in 0..200_u8 {
                let mut received = pin!(connection.recv());
                assert!(
                    received.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
                );
                peer.write_all(&[round]).expect("connected");
                assert_eq!(*park_on(received).expect("connected"), [round]);
            }
            closer.close();
        });
        form(
            driver,
            Box::pin(async move {
                let error = awaited.recv().await.expect_err("nobody writes");
                assert!(is_closed(&error), "{error}");
            }),
        );
        other.join().expect("no panic");
    });
}

/// Nothing happens but that time passes.
pub(crate) fn woken_by_a_timer(backend: &str, form: Form) {
    let Some((_transport, driver)) = open(backend, &Settings::default()) else { return };
    within_limit(move || {
        let timers = driver.timers().clone();
        let sleep = move |milliseconds| {
            let timers = timers.clone();
            async move {
                let until = Instant::now() + Duration::from_millis(milliseconds);
                timers.sleep(until).await;
                assert!(Instant::now() >= until, "a timer is never early");
            }
        };
        form(
            driver,
            Box::pin(async move {
                sleep(20).await;
                // The first deadline changes while the driver sleeps for another one.
                join(sleep(30), async { join(sleep(5), sleep(10)).await }).await;
                sleep(1).await;
            }),
        );
    });
}

/// Owned receives and sends, and nothing else: on io_uring these are completions, which its
/// deferred work brings only when the driver enters the kernel.
pub(crate) fn woken_by_completions(backend: &str, form: Form) {
    let Some((transport, driver)) = open(backend, &Settings::default()) else { return };
    within_limit(move || {
        let (mut connection, mut peer) = adopted_pair(&transport);
        // Answers byte by byte, so that the driver has nothing to do in between.
        let other = thread::spawn(move || -> io::Result<()> {
            for round in 0..200_u8 {
                peer.write_all(&[round])?;
                let mut answer = [0];
                peer.read_exact(&mut answer)?;
                assert_eq!(answer, [round]);
            }
            // A long time after it was sent.
            io::copy(&mut peer, &mut io::sink()).map(drop)
        });
        form(
            driver,
            Box::pin(async move {
                for round in 0..200 {
                    let bytes = connection.recv().await.expect("connected");
                    assert_eq!(*bytes, [round]);
                    connection.send_all(bytes).await.expect("connected");
                }
                // More than the socket's buffer.
                let much = Chunk::from(vec![7; 4 << 20]);
                connection.send_all(much).await.expect("connected");
                connection.close_write().await.expect("connected");
            }),
        );
        other.join().expect("no panic").expect("connected");
    });
}

/// A thousand clients that write all at once, to a driver that takes 16 events at a time.
pub(crate) fn serves_a_thousand(backend: &str, form: Form) {
    const CLIENTS: usize = 1000;
    let mut settings = Settings::default();
    settings.events = 16;
    let Some((transport, driver)) = open(backend, &settings) else { return };
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("known");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("it may be used up");
    within_limit(move || {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let at = Address::path(&path).expect("a short path");
        let mut listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
        let clients = thread::spawn(move || talk_all_at_once(&path, CLIENTS));
        form(
            driver,
            Box::pin(async move {
                let mut tasks = FuturesUnordered::new();
                let accepting = async {
                    let mut accepted = Vec::new();
                    while accepted.len() < CLIENTS {
                        accepted.push(listener.accept().await.expect("clients come").0);
                    }
                    accepted
                };
                for (number, connection) in accepting.await.into_iter().enumerate() {
                    tasks.push(echo(connection, number % 2 == 0));
                }
                while let Some(echoed) = tasks.next().await {
                    echoed.expect("the client reads on");
                }
            }),
        );
        clients.join().expect("no panic").expect("all are served");
    });
}

fn talk_all_at_once(path: &Path, clients: usize) -> io::Result<()> {
    let clients: io::Result<Vec<_>> = (0..clients).map(|_| UnixStream::connect(path)).collect();
    let clients = clients?;
    for round in 0..5_u8 {
        for mut client in &clients {
            client.write_all(&[round; 64])?;
        }
        for mut client in &clients {
            let mut answer = [0; 64];
            client.read_exact(&mut answer)?;
            assert_eq!(answer, [round; 64]);
        }
    }
    Ok(())
}

async fn echo(mut connection: impl Connection, owned: bool) -> io::Result<()> {
    let mut buf = [0; 256];
    loop {
        let bytes = match owned {
            true => connection.recv().await?,
            false => {
                let count = connection.read(&mut buf).await?;
                Chunk::from(&buf[..count])
            }
        };
        if bytes.is_empty() {
            return Ok(());
        }
        connection.send_all(bytes).await?;
    }
}

/// A backend by name, or `None` where it does not work, which fails in strict mode.
pub(crate) fn open(name: &str, settings: &Settings) -> Option<(AnyTransport, Box<dyn Driver>)> {
    match select(name, settings) {
        Ok(Selection { transport, driver, .. }) => Some((transport, driver)),
        Err(e) => {
            let strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
            assert!(!strict, "skipped in strict mode: {e}");
            println!("skipped: {e}");
            None
        }
    }
}

/// A connection, and its peer without any driver.
pub(crate) fn adopted_pair(transport: &AnyTransport) -> (impl Connection + use<>, UnixStream) {
    let (one, other) = UnixStream::pair().expect("a pair");
    let one = transport.adopt_connection(OwnedFd::from(one), &AdoptOptions::new());
    (one.expect("a connected socket"), other)
}

/// Runs `body` on a thread of its own, and fails if it hangs.
pub(crate) fn within_limit(body: impl FnOnce() + Send + 'static) {
    let (sender, is_over) = channel::<()>();
    let thread = thread::spawn(move || {
        let _over = sender; // gone at the end, a panic included
        body();
    });
    let waited = is_over.recv_timeout(LIMIT);
    assert_eq!(waited, Err(RecvTimeoutError::Disconnected), "it hangs");
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
}

/// An executor without any loop: the future must be woken by others.
pub(crate) fn park_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
