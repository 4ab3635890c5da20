//! Limited things: cases 149, 156, 161 and 164 (rule L6).
//!
//! Descriptors, buffers, completions and memory run out; whoever does not cause it must not feel
//! it, and nothing may be lost.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use futures_lite::future::{poll_once, yield_now};
use transport_core::{
    Chunk, Connection, ListenOptions, Listener, PollRead, PollWrite, Transport, is_closed,
    is_transient,
};

use crate::case::{Case, Outcome, cases};
use crate::cases::meeting::Side;
use crate::context::Context;
use crate::fixture::{ConnectionOf, Fixture, TransportOf};
use crate::host;
use crate::oracle::{self, Pattern, beside};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        149 unpolled_completions needs CONCURRENT,
        156 accept_without_descriptors needs ALONE,
        161 held_chunks_and_unread_data needs CONCURRENT,
        164 unread_sender_is_stopped,
    ]
}

fn unpolled_completions<F: Fixture>(cx: &mut Context<F>) -> Outcome {
    const IDLE: usize = 400;
    if !host::allow_descriptors(2 * IDLE as u64 + 100) {
        return Outcome::skip("needs a limit of 1,000 open files (ulimit -n)");
    }
    cx.run(async |transport| {
        let (mut idle, mut peers) = many(cx, &transport, IDLE).await;
        for (number, connection) in idle.iter_mut().enumerate() {
            let early = match number % 4 {
                0 => poll_once(connection.read(&mut [0; 8])).await.is_some(),
                _ => poll_once(connection.recv()).await.is_some(),
            };
            assert!(!early, "nothing was sent yet");
        }
        // Each message could be a completion of its own.
        let mut sent: Vec<Pattern> = (0..IDLE as u64).map(Pattern::new).collect();
        for _ in 0..50 {
            for (peer, sent) in peers.iter_mut().zip(&mut sent) {
                peer.write_all(&sent.take(300)).expect("there is room");
            }
            yield_now().await;
        }
        others_are_served(cx, &transport).await;
        for (number, connection) in idle.iter_mut().enumerate() {
            receive_exactly(connection, number as u64, 0, sent[number].position()).await;
        }
    });
    Outcome::Pass
}

async fn many<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
    count: usize,
) -> (Vec<ConnectionOf<F>>, Vec<UnixStream>) {
    let (mut connections, mut peers) = (Vec::new(), Vec::new());
    for number in 0..count {
        let (connection, peer) = Side::BOTH[number % 2].meet(cx, transport).await;
        connections.push(connection);
        peers.push(peer);
    }
    (connections, peers)
}

/// A new connection echoes on both paths, in good time.
async fn others_are_served<F: Fixture>(cx: &Context<F>, transport: &TransportOf<F>) {
    const LENGTH: usize = 100_000;
    let (mut connection, mut peer) = Side::Server.meet(cx, transport).await;
    let start = Instant::now();
    for _ in 0..20 {
        oracle::exchange(&mut connection, &mut peer).await;
    }
    for seed in 0..10 {
        let client = peer.try_clone().expect("it can be duplicated");
        let client = beside(move || {
            let mut received = vec![0; LENGTH];
            std::thread::scope(|scope| {
                scope.spawn(|| (&client).write_all(&Pattern::new(seed).take(LENGTH)));
                std::io::Read::read_exact(&mut &client, &mut received).expect("the echo comes");
            });
            Pattern::new(seed).check(&received);
        });
        let mut echoed = 0;
        while echoed < LENGTH {
            let chunk = connection.recv().await.expect("the client sends");
            echoed += chunk.len();
            connection.send_all(chunk).await.expect("the client reads");
        }
        client.await;
    }
    assert!(start.elapsed() < Duration::from_secs(10), "others are served in good time");
}

/// Takes so many bytes of the pattern, from one position to another, and checks them.
async fn receive_exactly(connection: &mut impl Connection, seed: u64, from: u64, to: u64) {
    let mut expected = Pattern::new(seed);
    _ = expected.take(usize::try_from(from).expect("a length in memory"));
    while expected.position() < to {
        let chunk = connection.recv().await.expect("nothing is lost");
        assert!(!chunk.is_empty(), "nothing is lost");
        expected.check(&chunk);
    }
    assert_eq!(expected.position(), to, "nothing is received that was not sent");
}

fn accept_without_descriptors<F: Fixture>(cx: &mut Context<F>) {
    without_descriptors(cx, "open", false);
    without_descriptors(cx, "draining", true);
}

fn without_descriptors<F: Fixture>(cx: &Context<F>, name: &str, draining: bool) {
    const WATCHED: Duration = Duration::from_millis(300);
    let address = cx.address(name);
    let mut runtime = cx.runtime();
    let transport = runtime.transport().clone();
    let mut listener = transport.listen(&address, &ListenOptions::new()).expect("the path is free");
    let mut client = oracle::connect(&address).expect("the backlog has room");
    let mut second = oracle::connect(&address).expect("the backlog has room");
    if draining {
        listener.closer().drain();
    }
    let (errors, used) = host::with_spare_descriptors(0, || {
        let used = host::processor_time();
        let errors = runtime.block_on(async {
            let end = Instant::now() + WATCHED;
            let mut errors = 0;
            while Instant::now() < end {
                let error = listener.accept().await.err().expect("no descriptor is free");
                assert!(is_transient(&error), "want of descriptors passes: {error}");
                errors += 1;
            }
            errors
        });
        (errors, host::processor_time() - used)
    });
    assert!(errors < 100, "an accept that failed waits before it tries again: {errors} failures");
    assert!(used < WATCHED / 3, "want of descriptors costs no processor: {used:?} in {WATCHED:?}");
    runtime.block_on(async {
        for client in [&mut client, &mut second] {
            let accepted = listener.accept().await;
            let (mut connection, _) = accepted.expect("the clients still wait");
            oracle::exchange(&mut connection, client).await;
        }
        if draining {
            let error = listener.accept().await.err().expect("nobody else waits");
            assert!(is_closed(&error), "a drain ends when its queue is empty: {error}");
        }
    });
}

fn held_chunks_and_unread_data<F: Fixture>(cx: &mut Context<F>) -> Outcome {
    const COUNT: usize = 1000;
    const FIRST: usize = 100;
    const REST: usize = 20_000;
    if !host::allow_descriptors(2 * COUNT as u64 + 100) {
        return Outcome::skip("needs a limit of 2,100 open files (ulimit -n)");
    }
    cx.run(async |transport| {
        let (mut connections, mut peers) = many(cx, &transport, COUNT).await;
        let mut sent: Vec<Pattern> = (0..COUNT as u64).map(Pattern::new).collect();
        let mut held: Vec<Chunk> = Vec::new();
        for ((connection, peer), sent) in connections.iter_mut().zip(&mut peers).zip(&mut sent) {
            peer.write_all(&sent.take(FIRST)).expect("there is room");
            held.push(connection.recv().await.expect("bytes are queued"));
            // A receive that goes on by itself, whose future is gone.
            assert!(poll_once(connection.recv()).await.is_none(), "there is nothing more yet");
        }
        for (peer, sent) in peers.iter_mut().zip(&mut sent) {
            peer.write_all(&sent.take(REST)).expect("there is room");
            yield_now().await;
        }
        others_are_served(cx, &transport).await;
        for (number, chunk) in held.iter().enumerate() {
            assert_eq!(chunk.len(), FIRST);
            Pattern::new(number as u64).check(chunk);
        }
        for (number, connection) in connections.iter_mut().enumerate() {
            let (from, to) = (FIRST as u64, (FIRST + REST) as u64);
            receive_exactly(connection, number as u64, from, to).await;
        }
        drop(held);
        others_are_served(cx, &transport).await;
    });
    Outcome::Pass
}

fn unread_sender_is_stopped<F: Fixture>(cx: &mut Context<F>) {
    /// What the kernel holds at most, by its default, with room to spare.
    const KERNEL: u64 = 2 * 212_992;
    let settings = F::settings();
    let run_ahead = settings.run_ahead as u64 * u64::from(settings.buffer_size);
    cx.run(async |transport| {
        for side in Side::BOTH {
            let (mut connection, mut peer) = side.meet(cx, &transport).await;
            let mut sent = Pattern::new(164);
            peer.write_all(&sent.take(10)).expect("connected");
            let first = connection.recv().await.expect("bytes are queued");
            peer.set_nonblocking(true).expect("sockets can be non-blocking");
            // From here on nobody takes anything, however often the driver turns.
            let mut idle_turns = 0;
            while idle_turns < 50 {
                match peer.write(&sent.peek(4096)) {
                    Ok(count) => {
                        sent.advance(count);
                        idle_turns = 0;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        idle_turns += 1;
                        yield_now().await;
                    }
                }
                assert!(
                    sent.position() <= KERNEL + 2 * run_ahead,
                    "a sender whose bytes nobody takes is stopped: {} bytes are on their way",
                    sent.position()
                );
            }
            Pattern::new(164).check(&first);
            receive_exactly(&mut connection, 164, first.len() as u64, sent.position()).await;
        }
    });
}
