//! The backlog, from both sides: cases 44 to 57 (rules B6, C1).

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use nix::sys::socket::{Backlog, listen};
use transport_core::{
    Address, Cause, ConnectOptions, Error, ListenOptions, Listener, PollRead, PollWrite, Transport,
};

use crate::case::{Case, Outcome, cases};
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture, TransportOf};
use crate::host::{self, Interruptible};
use crate::oracle::{self, Sleeper};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        44 backlog_0_admits_1,
        45 backlog_4_admits_5,
        46 oversize_clamps,
        47 full_without_waiting,
        48 full_until_the_deadline needs ALONE,
        49 full_then_an_accept,
        50 dead_client_holds_its_place,
        51 retry_after_full,
        52 cancelled_connect_leaves_nothing needs CONCURRENT,
        53 interrupted_while_waiting needs ALONE,
        54 larger_backlog_wakes_waiters,
        55 full_is_never_success,
        56 hundred_clients_on_backlog_1,
        57 waiters_see_refused_at_close,
    ]
}

fn backlog_0_admits_1<F: Fixture>(cx: &mut Context<F>) {
    admits(cx, &ListenOptions::new().backlog(0), 1);
}

fn backlog_4_admits_5<F: Fixture>(cx: &mut Context<F>) {
    admits(cx, &ListenOptions::new().backlog(4), 5);
    fs::remove_file(cx.path("s")).expect("the file stays");
    admits(cx, &ListenOptions::compatible(), 5);
}

/// A listener with these options admits so many clients, while nobody accepts but the backend
/// waits: whatever it does in the background takes no client from the queue.
fn admits<F: Fixture>(cx: &Context<F>, options: &ListenOptions, clients: usize) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, options).expect("the name is free");
        let first = oracle::connect_at_once(&address).expect("there is always one place");
        listener.acceptable().await.expect("a client waits");
        let others = oracle::fill(&address);
        assert_eq!(1 + others.len(), clients, "clients that were admitted");
        for mut client in std::iter::once(first).chain(others) {
            let (mut server, _) = listener.accept().await.expect("a client waits");
            oracle::exchange(&mut server, &mut client).await;
        }
    });
}

fn oversize_clamps<F: Fixture>(cx: &mut Context<F>) -> Outcome {
    let most = fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux has this limit");
    let most: usize = most.trim().parse().expect("it is a number");
    if !host::allow_descriptors(most as u64 + 100) {
        return Outcome::skip(format!(
            "needs {most} descriptors: raise `ulimit -Hn`, or run as root"
        ));
    }
    for backlog in [u32::MAX, 1 << 31] {
        cx.run(async |transport| {
            let options = ListenOptions::new().backlog(backlog);
            let _listener = transport.listen(&cx.address("s"), &options).expect("the name is free");
            assert_eq!(oracle::fill(&cx.address("s")).len(), most + 1, "backlog {backlog} clamps");
        });
        fs::remove_file(cx.path("s")).expect("the file stays");
    }
    Outcome::Pass
}

/// A server of the oracle whose backlog is full.
struct Full {
    address: Address,
    listener: std::os::unix::net::UnixListener,
    waiting: Vec<std::os::unix::net::UnixStream>,
}

impl Full {
    fn new<F: Fixture>(cx: &Context<F>) -> Full {
        let address = cx.address("full");
        let listener = oracle::listen_with_backlog(&address, 0);
        let waiting = oracle::fill(&address);
        assert_eq!(waiting.len(), 1, "a backlog of 0 admits one client");
        Full { address, listener, waiting }
    }

    /// Asserts that nobody but the first client is, or comes, into the queue.
    fn assert_no_ghost(self) {
        self.listener.set_nonblocking(true).expect("it is a socket");
        self.listener.accept().expect("the first client waits");
        let next = self.listener.accept().map(|_| ());
        assert_eq!(
            next.err().map(|error| error.kind()),
            Some(ErrorKind::WouldBlock),
            "a ghost waits"
        );
    }
}

fn at_once() -> ConnectOptions {
    ConnectOptions::new().timeout(Duration::ZERO)
}

async fn connect_error<T: Transport>(
    transport: &T,
    to: &Address,
    options: &ConnectOptions,
) -> Error {
    let connected = transport.connect(to, options).await;
    connected.err().expect("a full backlog is never success")
}

fn full_without_waiting<F: Fixture>(cx: &mut Context<F>) {
    let full = Full::new(cx);
    cx.run(async |transport| {
        let error = connect_error(&transport, &full.address, &at_once()).await;
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        assert!(matches!(error.cause(), Cause::BacklogFull), "the cause has a name: {error:?}");
    });
    full.assert_no_ghost();
}

fn full_until_the_deadline<F: Fixture>(cx: &mut Context<F>) {
    let full = Full::new(cx);
    cx.run(async |transport| {
        for limit in [50, 200].map(Duration::from_millis) {
            let start = Instant::now();
            let options = ConnectOptions::new().timeout(limit);
            let error = connect_error(&transport, &full.address, &options).await;
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            let waited = start.elapsed();
            assert!(waited >= limit, "it gave up too early, after {waited:?}");
            assert!(waited < limit * 2 + Duration::from_millis(100), "too late, after {waited:?}");
        }
    });
    full.assert_no_ghost();
}

fn full_then_an_accept<F: Fixture>(cx: &mut Context<F>) {
    let Full { address, listener, waiting } = Full::new(cx);
    let waiter = Sleeper::this_thread();
    let server = oracle::peer(move || {
        waiter.wait_until_asleep();
        let freed = Instant::now();
        let (_first, _) = listener.accept().expect("the first client waits");
        let (second, _) = listener.accept().expect("the backend comes");
        assert!(freed.elapsed() < Duration::from_secs(1), "a free place is found soon");
        second
    });
    cx.run(async |transport| {
        let mut client = transport
            .connect(&address, &ConnectOptions::new())
            .await
            .expect("there is a place in the end");
        let mut second = server.finish();
        oracle::exchange(&mut client, &mut second).await;
    });
    drop(waiting);
}

/// A client that left still takes its place in the queue; a backend that accepts in advance would
/// give the place free.
fn dead_client_holds_its_place<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let options = ListenOptions::new().backlog(0);
        let mut listener = transport.listen(&address, &options).expect("the name is free");
        drop(oracle::connect_at_once(&address).expect("there is a place"));
        listener.acceptable().await.expect("the dead client waits");
        assert!(oracle::fill(&address).is_empty(), "the dead client holds the only place");
        let (mut server, _) = listener.accept().await.expect("the dead client is delivered");
        assert_eq!(server.read(&mut [0; 8]).await.expect("its end is clean"), 0);
        assert_eq!(oracle::fill(&address).len(), 1, "now there is a place");
    });
}

fn retry_after_full<F: Fixture>(cx: &mut Context<F>) {
    let full = Full::new(cx);
    cx.run(async |transport| {
        for _ in 0..3 {
            let error = connect_error(&transport, &full.address, &at_once()).await;
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        }
        full.listener.accept().expect("the first client waits");
        let mut client =
            transport.connect(&full.address, &at_once()).await.expect("there is a place again");
        let (mut server, _) = full.listener.accept().expect("the backend waits in the queue");
        oracle::exchange(&mut client, &mut server).await;
    });
}

fn cancelled_connect_leaves_nothing<F: Fixture>(cx: &mut Context<F>) {
    let full = Full::new(cx);
    let mut runtime = cx.runtime();
    let (transport, handle) = (runtime.transport().clone(), runtime.handle());
    runtime.block_on(async {
        let options = ConnectOptions::new();
        for milliseconds in [0, 1, 5, 20] {
            let mut connect = Box::pin(transport.connect(&full.address, &options));
            assert!(poll_once(&mut connect).await.is_none(), "a full backlog is waited for");
            let limit = Duration::from_millis(milliseconds);
            assert!(handle.timeout(limit, &mut connect).await.is_err(), "it is still full");
            drop(connect);
        }
    });
    full.assert_no_ghost();
}

fn interrupted_while_waiting<F: Fixture>(cx: &mut Context<F>) {
    let full = Full::new(cx);
    let (target, waiter) = (Interruptible::this_thread(), Sleeper::this_thread());
    let interrupt = move || {
        for _ in 0..20 {
            waiter.wait_until_asleep();
            target.interrupt();
        }
    };
    let limit = Duration::from_millis(500);
    let start = Instant::now();
    let interrupter = oracle::peer(interrupt);
    cx.run(async |transport| {
        let options = ConnectOptions::new().timeout(limit);
        let error = connect_error(&transport, &full.address, &options).await;
        assert_eq!(error.kind(), ErrorKind::TimedOut, "an interrupt is no reason to fail: {error}");
    });
    let waited = start.elapsed();
    assert!(waited >= limit, "an interrupt is no reason to stop waiting, after {waited:?}");
    assert!(waited < limit * 2, "an interrupt does not start the wait again, {waited:?}");
    interrupter.finish();

    let Full { address, listener, waiting } = full;
    let server = oracle::peer(move || {
        interrupt();
        let (_first, _) = listener.accept().expect("the first client waits");
        listener.accept().expect("the backend comes").0
    });
    cx.run(async |transport| {
        let connected = transport.connect(&address, &ConnectOptions::new()).await;
        let mut client = connected.expect("interrupts are no failure");
        oracle::exchange(&mut client, &mut server.finish()).await;
    });
    drop(waiting);
}

fn larger_backlog_wakes_waiters<F: Fixture>(cx: &mut Context<F>) {
    let Full { address, listener, waiting } = Full::new(cx);
    let waiter = Sleeper::this_thread();
    let server = oracle::peer(move || {
        waiter.wait_until_asleep();
        listen(&listener, Backlog::new(5).expect("it is small")).expect("listening again is legal");
        listener
    });
    cx.run(async |transport| {
        let connected = transport.connect(&address, &ConnectOptions::new()).await;
        let mut client = connected.expect("the larger backlog has a place, without an accept");
        let listener = server.finish();
        let (_first, _) = listener.accept().expect("the first client waits");
        let (mut second, _) = listener.accept().expect("the backend waits in the queue");
        oracle::exchange(&mut client, &mut second).await;
    });
    drop(waiting);
}

fn full_is_never_success<F: Fixture>(cx: &mut Context<F>) {
    let full = Full::new(cx);
    cx.run(async |transport| {
        for _ in 0..200 {
            let error = connect_error(&transport, &full.address, &at_once()).await;
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        }
        for milliseconds in 1..10 {
            let options = ConnectOptions::new().timeout(Duration::from_millis(milliseconds));
            let error = connect_error(&transport, &full.address, &options).await;
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        }
    });
    full.assert_no_ghost();
}

const CLIENTS: u32 = 100;

/// Each of a hundred clients that compete for two places sends its number; each number arrives.
fn hundred_clients_on_backlog_1<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let listener = oracle::listen_with_backlog(&address, 1);
    let server = oracle::peer(move || {
        (0..CLIENTS)
            .map(|_| {
                let (mut client, _) = listener.accept().expect("a client comes");
                let mut number = [0; 4];
                std::io::Read::read_exact(&mut client, &mut number).expect("it sends its number");
                u32::from_ne_bytes(number)
            })
            .collect::<BTreeSet<_>>()
    });
    if F::capabilities().contains(Capabilities::CONCURRENT) {
        connect_as_tasks(cx, &address);
    } else {
        connect_as_threads::<F>(&address);
    }
    assert_eq!(server.finish(), (0..CLIENTS).collect(), "each client arrived once");
}

fn connect_as_tasks<F: Fixture>(cx: &Context<F>, address: &Address) {
    let mut runtime = cx.runtime();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (transport, address) = (runtime.transport().clone(), address.clone());
            runtime.spawn(async move { send_number::<F>(&transport, &address, number).await })
        })
        .collect();
    runtime.block_on(async {
        for client in clients {
            client.await;
        }
    });
}

fn connect_as_threads<F: Fixture>(address: &Address) {
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || {
                let cx = Context::<F>::new();
                cx.run(async |transport| send_number::<F>(&transport, address, number).await);
            });
        }
    });
}

async fn send_number<F: Fixture>(transport: &TransportOf<F>, address: &Address, number: u32) {
    let connected = transport.connect(address, &ConnectOptions::new()).await;
    let mut client = connected.unwrap_or_else(|error| panic!("client {number}: {error}"));
    client.write_all(&number.to_ne_bytes()).await.expect("the server reads");
}

fn waiters_see_refused_at_close<F: Fixture>(cx: &mut Context<F>) {
    let Full { address, listener, waiting } = Full::new(cx);
    let waiter = Sleeper::this_thread();
    let server = oracle::peer(move || {
        waiter.wait_until_asleep();
        drop(listener);
    });
    cx.run(async |transport| {
        let error = connect_error(&transport, &address, &ConnectOptions::new()).await;
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    });
    server.finish();
    drop(waiting);
}
