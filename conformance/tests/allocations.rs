//! Nothing allocates once it is warm: not reading, writing, waiting, nor waking, on any backend.
//!
//! Each test does the same thing many times, and twice as many times, in one `block_on` each, and
//! both must make as many allocations: those of the beginning. Only the test's own thread is
//! counted, which is the one that all of a runtime runs on.

use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use allocation_counter::measure;
use futures_lite::future::yield_now;
use unix_transport::{
    AdoptOptions, Availability, Backend, Blocking, Chunk, Connection, Epoll, PollRead, PollWrite,
    Runtime, Settings, Transport, Uring, blocking,
};

/// How many connections take part, so that one turn has many events.
const CONNECTIONS: usize = 16;
const ROUND_TRIPS: usize = 10_000;
const MESSAGE: [u8; 64] = [0x5a; 64];

/// More than a connection holds, so that its writer waits for its reader.
const STREAM: usize = 1 << 20;
const STREAMS: usize = 100;

#[test]
fn epoll_allocates_nothing() {
    backend_allocates_nothing::<Epoll>(&Settings::default());
}

#[test]
fn uring_allocates_nothing() {
    for are_direct in [false, true] {
        let mut settings = Settings::default();
        settings.direct_sends = Some(are_direct);
        backend_allocates_nothing::<Uring>(&settings);
    }
}

#[test]
fn blocking_allocates_nothing() {
    backend_allocates_nothing::<Blocking>(&Settings::default());
}

#[test]
fn the_synchronous_face_allocates_nothing() {
    let (mut client, mut server) = blocking::pair(&AdoptOptions::new()).expect("a pair");
    let mut round_trips = |count| {
        let mut buf = [0; MESSAGE.len()];
        for _ in 0..count {
            client.write_all(&MESSAGE)?;
            server.read_exact(&mut buf)?;
            server.write_all(&buf)?;
            client.read_exact(&mut buf)?;
        }
        io::Result::Ok(())
    };
    let made = measure(|| round_trips(ROUND_TRIPS).expect("round trips"));
    assert_eq!(made.count_total, 0);
}

/// Of many connections most are silent at any time.
#[test]
fn uring_keeps_no_memory_for_what_was_sent() {
    if !is_available::<Uring>() {
        return;
    }
    let mut settings = Settings::default();
    settings.direct_sends = Some(false);
    let mut runtime = runtime::<Uring>(&settings);
    let mut clients = connections(&runtime, CONNECTIONS, echo_chunks);
    let one_after_the_other = async {
        for client in &mut clients {
            client.send_all(Chunk::from(&MESSAGE[..])).await?;
            client.recv().await?;
        }
        io::Result::Ok(())
    };
    let made = measure(|| runtime.block_on(one_after_the_other).expect("round trips"));
    let connections = i64::try_from(CONNECTIONS).expect("a small count");
    assert!(made.count_current < connections, "{} allocations are left", made.count_current);
}

fn is_available<B: Backend>() -> bool {
    let Availability::No(why) = B::probe() else { return true };
    let strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
    assert!(!strict, "skipped in strict mode: {why}");
    eprintln!("SKIP {why}");
    false
}

fn backend_allocates_nothing<B: Backend>(settings: &Settings) {
    if !is_available::<B>() {
        return;
    }
    // One at a time: receive buffers are the process's, and whoever finds none allocates.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    borrowed::<B>(settings);
    owned::<B>(settings);
    full::<B>(settings);
    tasks_and_timers::<B>(settings);
}

/// Compares doing the work `times` times with doing it twice as often. Both begin with their queues
/// growing to as many tasks as were ever ready at once.
fn compare<B: Backend>(
    what: &str,
    runtime: &mut Runtime<B>,
    times: usize,
    mut work: impl AsyncFnMut() -> io::Result<()>,
) {
    let mut allocations = |times| {
        let mut done = Ok(());
        let repeated = async {
            for _ in 0..times {
                work().await?;
            }
            Ok(())
        };
        let made = measure(|| done = runtime.block_on(repeated));
        done.unwrap_or_else(|error: io::Error| panic!("{}, {what}: {error}", B::NAME));
        made.count_total
    };
    // The first connections, chunks and timers.
    allocations(times);
    let (few, many) = (allocations(times), allocations(2 * times));
    assert_eq!(few, many, "allocations of {}, {what}, {times} times and twice that", B::NAME);
}

fn runtime<B: Backend>(settings: &Settings) -> Runtime<B> {
    Runtime::new(settings).expect("the probe said yes")
}

/// Connections, each other end of which belongs to a task.
fn connections<B: Backend, S: Future<Output = io::Result<()>> + Send + 'static>(
    runtime: &Runtime<B>,
    count: usize,
    serve: impl Fn(<B::Transport as Transport>::Connection) -> S,
) -> Vec<<B::Transport as Transport>::Connection> {
    let connect = |_| {
        let (client, server) = runtime.transport().pair(&AdoptOptions::new()).expect("a pair");
        runtime.spawn(serve(server)).detach();
        client
    };
    (0..count).map(connect).collect()
}

fn borrowed<B: Backend>(settings: &Settings) {
    let mut runtime = runtime::<B>(settings);
    let mut clients = connections(&runtime, CONNECTIONS, echo);
    compare("borrowed", &mut runtime, ROUND_TRIPS / CONNECTIONS, async || {
        for client in &mut clients {
            client.write_all(&MESSAGE).await?;
        }
        for client in &mut clients {
            client.read_exact(&mut [0; MESSAGE.len()]).await?;
        }
        Ok(())
    });
}

async fn echo(mut connection: impl Connection) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        let count = connection.read(&mut buf).await?;
        connection.write_all(&buf[..count]).await?;
    }
}

fn owned<B: Backend>(settings: &Settings) {
    let mut runtime = runtime::<B>(settings);
    let mut clients = connections(&runtime, CONNECTIONS, echo_chunks);
    // What came back is what is sent next, so that no chunk is made for a message.
    let mut chunks = [(); CONNECTIONS].map(|()| Chunk::from(&MESSAGE[..]));
    compare("owned", &mut runtime, ROUND_TRIPS / CONNECTIONS, async || {
        for (client, chunk) in clients.iter_mut().zip(&mut chunks) {
            client.send_all(mem::take(chunk)).await?;
        }
        for (client, chunk) in clients.iter_mut().zip(&mut chunks) {
            *chunk = client.recv().await?;
        }
        Ok(())
    });
}

async fn echo_chunks(mut connection: impl Connection) -> io::Result<()> {
    loop {
        let chunk = connection.recv().await?;
        connection.send_all(chunk).await?;
    }
}

/// Streams that fill the connection; each is acknowledged by a byte.
fn full<B: Backend>(settings: &Settings) {
    let mut runtime = runtime::<B>(settings);
    let mut client = connections(&runtime, 1, sink).remove(0);
    let bytes = vec![0; STREAM];
    compare("full", &mut runtime, STREAMS, async || {
        client.write_all(&bytes).await?;
        client.read_exact(&mut [0]).await
    });
}

async fn sink(mut connection: impl Connection) -> io::Result<()> {
    let mut buf = vec![0; 64 * 1024];
    loop {
        let mut count = 0;
        while count < STREAM {
            count += connection.read(&mut buf).await?;
        }
        connection.write_all(&[0]).await?;
    }
}

fn tasks_and_timers<B: Backend>(settings: &Settings) {
    let mut runtime = runtime::<B>(settings);
    let handle = runtime.handle();
    let yields = async {
        loop {
            yield_now().await;
        }
    };
    runtime.spawn(yields).detach();
    compare("tasks and timers", &mut runtime, ROUND_TRIPS, async || {
        let mut sleep = handle.sleep(Duration::from_secs(3_600));
        let is_set = poll_fn(|cx| Poll::Ready(Pin::new(&mut sleep).poll(cx).is_pending())).await;
        assert!(is_set, "an hour has not passed");
        yield_now().await;
        Ok(())
    });
}
