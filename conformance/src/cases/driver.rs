//! Drivers, turned by hand: cases 146 to 148.
//!
//! These cases own the loop, as an embedder does: they poll with wakers of their own and count
//! what a runtime would hide.

use std::future::Future;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use transport_core::{Driver, ListenOptions, Listener, PollRead, PollWrite, Transport};

use crate::case::{Case, cases};
use crate::cases::flow;
use crate::cases::meeting::Side;
use crate::context::Context;
use crate::fixture::{DriverOf, Fixture, TransportOf};
use crate::host;
use crate::oracle::{self, Pattern, Sleeper};

/// A wake-up that takes longer than this is lost.
pub(super) const LOST: Duration = Duration::from_secs(10);

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        146 wake_from_another_thread needs DRIVEN,
        147 idle_driver_uses_no_processor needs DRIVEN | CONCURRENT,
        148 only_the_newest_waker needs DRIVEN | CONCURRENT,
    ]
}

/// Polls the future and turns the driver until it is ready: the smallest runtime.
pub(super) fn drive<T>(driver: &mut impl Driver, future: impl Future<Output = T>) -> T {
    let waker = driver.unparker().waker();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            return output;
        }
        driver.turn(None).expect("the driver turns");
    }
}

/// Counts how often it is woken.
#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    pub(super) fn new() -> (Arc<Wakes>, Waker) {
        let wakes = Arc::<Wakes>::default();
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn wake_from_another_thread<F: Fixture>(cx: &mut Context<F>) {
    const ROUNDS: usize = 2000;
    let (_transport, mut driver) = cx.open();
    let unparker = driver.unparker();
    // While the driver is awake an unparker keeps it from falling asleep; if it did not, this turn
    // would never end.
    for _ in 0..3 {
        unparker.unpark();
        driver.turn(None).expect("the driver turns");
    }
    let sleeper = Sleeper::this_thread();
    let (ask, asked) = mpsc::channel();
    let answered = Arc::new(AtomicUsize::new(0));
    let other = oracle::peer({
        let answered = Arc::clone(&answered);
        move || {
            for round in asked {
                // Now and then the driver surely sleeps; otherwise it is anywhere.
                if round % 100 == 0 {
                    sleeper.wait_until_asleep();
                }
                answered.store(round, Ordering::SeqCst);
                unparker.unpark();
            }
        }
    });
    for round in 1..=ROUNDS {
        ask.send(round).expect("the other thread listens");
        while answered.load(Ordering::SeqCst) < round {
            // Without end: a lost wake-up hangs here, and the watchdog tells.
            driver.turn(None).expect("the driver turns");
        }
    }
    drop(ask);
    other.finish();
    drop(driver);
    spawn_from_another_thread(cx);
}

fn spawn_from_another_thread<F: Fixture>(cx: &Context<F>) {
    let mut runtime = cx.runtime();
    let handle = runtime.handle();
    let sleeper = Sleeper::this_thread();
    let spawning = oracle::beside(move || {
        for round in 0..500 {
            if round % 50 == 0 {
                sleeper.wait_until_asleep();
            }
            let (done, is_done) = mpsc::channel();
            handle.spawn(async move { done.send(round) }).detach();
            let answer = is_done.recv_timeout(LOST);
            assert_eq!(answer, Ok(round), "a task that another thread starts wakes the driver");
        }
    });
    runtime.block_on(spawning);
}

fn idle_driver_uses_no_processor<F: Fixture>(cx: &mut Context<F>) {
    const WATCHED: Duration = Duration::from_millis(300);
    let (transport, mut driver) = cx.open();
    let everything = drive(&mut driver, idle_scene(cx, &transport));
    // What the scene left to do gets done.
    for _ in 0..50 {
        driver.turn(Some(Duration::from_millis(1))).expect("the driver turns");
    }
    let used = host::processor_time();
    let end = Instant::now() + WATCHED;
    let mut turns = 0;
    while let Some(rest) = end.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    {
        driver.turn(Some(rest)).expect("the driver turns");
        turns += 1;
    }
    let used = host::processor_time() - used;
    assert!(turns <= 5, "an idle driver sleeps: {turns} turns in {WATCHED:?}");
    assert!(used < WATCHED / 6, "an idle driver uses no processor: {used:?} in {WATCHED:?}");
    drop(everything);
}

/// Everything that can stay ready without anybody caring, and everything that can wait.
async fn idle_scene<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
) -> impl Sized + use<F> {
    let mut kept = Vec::new();
    for side in Side::BOTH {
        // A read that waits, of either kind, dropped or not.
        for owned in [false, true] {
            let (mut idle, peer) = side.meet(cx, transport).await;
            let early = poll_read_or_recv(&mut idle, owned).await;
            assert!(early.is_none(), "nothing was sent");
            kept.push((idle, Some(peer)));
        }
        // Bytes that nobody reads, after a read that found nothing.
        for owned in [false, true] {
            let (mut unread, mut peer) = side.meet(cx, transport).await;
            _ = poll_read_or_recv(&mut unread, owned).await; // empty, and now the driver watches
            peer.write_all(b"unread").expect("connected");
            kept.push((unread, Some(peer)));
        }
        // A peer that shut its side down, one that left, and one that left bytes unread.
        let (mut ended, peer) = side.meet(cx, transport).await;
        peer.shutdown(std::net::Shutdown::Write).expect("connected");
        assert_eq!(ended.read(&mut [0; 8]).await.expect("a clean end"), 0);
        kept.push((ended, Some(peer)));
        let (alone, peer) = side.meet(cx, transport).await;
        drop(peer);
        kept.push((alone, None));
        let (mut reset, peer) = side.meet(cx, transport).await;
        reset.write_all(b"unread").await.expect("connected");
        drop(peer);
        kept.push((reset, None));
        // A write that waits for a peer that does not read.
        let (mut full, peer) = side.meet(cx, transport).await;
        flow::fill(&mut full, &mut Pattern::new(147), 16 * 1024).await;
        assert!(poll_once(full.write(&[0; 4096])).await.is_none(), "the buffer is full");
        kept.push((full, Some(peer)));
        // A connection that this side closed, and still holds.
        let (closed, peer) = side.meet(cx, transport).await;
        transport_core::Connection::closer(&closed).close();
        kept.push((closed, Some(peer)));
    }
    (kept, idle_listeners(cx, transport).await)
}

async fn poll_read_or_recv(
    connection: &mut impl transport_core::Connection,
    owned: bool,
) -> Option<()> {
    match owned {
        true => poll_once(connection.recv()).await.map(drop),
        false => poll_once(connection.read(&mut [0; 8])).await.map(drop),
    }
}

async fn idle_listeners<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
) -> impl Sized + use<F> {
    let listen = |name| transport.listen(&cx.address(name), &ListenOptions::new());
    let mut waiting = listen("waiting").expect("the path is free");
    assert!(poll_once(waiting.accept()).await.is_none(), "nobody comes");
    let mut queued = listen("queued").expect("the path is free");
    assert!(poll_once(queued.accept()).await.is_none(), "nobody comes yet");
    let client = oracle::connect(&cx.address("queued")).expect("the backlog has room");
    queued.acceptable().await.expect("a client waits");
    let mut drained = listen("drained").expect("the path is free");
    assert!(poll_once(drained.accept()).await.is_none(), "nobody comes");
    drained.closer().drain();
    let mut closed = listen("closed").expect("the path is free");
    assert!(poll_once(closed.accept()).await.is_none(), "nobody comes");
    closed.closer().close();
    ([waiting, queued, drained, closed], client)
}

fn only_the_newest_waker<F: Fixture>(cx: &mut Context<F>) {
    const ROUNDS: usize = 100;
    let (transport, mut driver) = cx.open();
    for owned in [false, true] {
        let (mut connection, mut peer) = drive(&mut driver, Side::Server.meet(cx, &transport));
        for round in 0..ROUNDS {
            let what = if owned { "recv" } else { "read" };
            let poll = |waker: &Waker| poll_for_bytes(&mut connection, owned, waker);
            let send = || peer.write_all(b"x").expect("connected");
            newest_is_woken(&mut driver, what, round, poll, send);
        }
    }
    let address = cx.address("newest");
    let mut listener = transport.listen(&address, &ListenOptions::new()).expect("the path is free");
    let mut clients = Vec::new();
    for round in 0..ROUNDS {
        let poll = |waker: &Waker| {
            let polled = listener.poll_accept(&mut TaskContext::from_waker(waker));
            polled.map(|accepted| drop(accepted.expect("the listener is open")))
        };
        let connect = || clients.push(oracle::connect(&address).expect("the listener is open"));
        newest_is_woken(&mut driver, "accept", round, poll, connect);
    }
    newest_writer_is_woken(cx, &transport, &mut driver);
}

fn poll_for_bytes(
    connection: &mut impl transport_core::Connection,
    owned: bool,
    waker: &Waker,
) -> Poll<()> {
    let cx = &mut TaskContext::from_waker(waker);
    if owned {
        let polled = connection.poll_recv(cx);
        return polled.map(|chunk| assert_eq!(*chunk.expect("the stream is open"), *b"x"));
    }
    let mut buf = [0; 8];
    let polled = Pin::new(&mut connection.read(&mut buf)).poll(cx);
    polled.map(|count| assert_eq!(count.expect("the stream is open"), 1))
}

/// Polls with one waker, then with another; then something happens.
fn newest_is_woken(
    driver: &mut impl Driver,
    what: &str,
    round: usize,
    mut poll: impl FnMut(&Waker) -> Poll<()>,
    happen: impl FnOnce(),
) {
    let (old, old_waker) = Wakes::new();
    let (new, new_waker) = Wakes::new();
    assert!(poll(&old_waker).is_pending(), "{what}: nothing has happened yet");
    // The driver may have seen the first poll, or not.
    for _ in 0..round % 3 {
        driver.turn(Some(Duration::ZERO)).expect("the driver turns");
    }
    assert!(poll(&new_waker).is_pending(), "{what}: nothing has happened yet");
    happen();
    let mut seen = 0;
    loop {
        turn_until_woken(driver, &new, seen, what);
        seen = new.count();
        if poll(&new_waker).is_ready() {
            break;
        }
    }
    assert_eq!(old.count(), 0, "{what}: a waker that was replaced is not woken");
}

/// Turns until the waker was woken again.
fn turn_until_woken(driver: &mut impl Driver, wakes: &Wakes, seen: usize, what: &str) {
    let end = Instant::now() + LOST;
    while wakes.count() == seen {
        driver.turn(Some(LOST)).expect("the driver turns");
        assert!(Instant::now() < end, "{what}: the newest waker is woken");
    }
}

fn newest_writer_is_woken<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
    driver: &mut DriverOf<F>,
) {
    let (mut connection, peer) = drive(driver, Side::Client.meet(cx, transport));
    for round in 0..5 {
        drive(driver, flow::fill(&mut connection, &mut Pattern::new(0), 16 * 1024));
        let poll = |waker: &Waker| {
            let mut cx = TaskContext::from_waker(waker);
            let polled = Pin::new(&mut connection.write(&[0; 16 * 1024])).poll(&mut cx);
            polled.map(|count| assert!(count.expect("the stream is open") > 0))
        };
        newest_is_woken(driver, "write", round, poll, || drain(&peer));
    }
}

/// Reads all that is queued.
fn drain(mut peer: &UnixStream) {
    use std::io::Read;
    peer.set_nonblocking(true).expect("sockets can be non-blocking");
    let mut buf = vec![0; 64 * 1024];
    while peer.read(&mut buf).is_ok_and(|count| count > 0) {}
}
