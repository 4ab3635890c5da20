//! The owned path: cases 158 to 160, 162 and 163 (rule S7).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use fastrand::Rng;
use transport_core::{Chunk, PollRead, PollWrite};

use crate::case::{Case, cases};
use crate::cases::flow::{self, LENGTHS};
use crate::cases::meeting::{Side, on_both_sides};
use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle::{Pattern, beside};

const MIB: usize = 1024 * 1024;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        158 owned_echo,
        159 borrowed_and_owned_keep_order,
        160 sent_after_the_handle_is_gone,
        162 chunk_outlives_its_connection,
        163 chunk_in_the_rings_memory needs OWNED_BY_COMPLETION,
    ]
}

fn owned_echo<F: Fixture>(cx: &mut Context<F>) {
    for (seed, length) in LENGTHS.into_iter().enumerate() {
        on_both_sides(cx, async |mut connection, peer| {
            let client = beside(move || flow::check_echo(&peer, seed as u64, length));
            loop {
                let chunk = connection.recv().await.expect("an open stream can be read");
                if chunk.is_empty() {
                    break;
                }
                // The received memory itself goes back out.
                connection.send_all(chunk).await.expect("the peer reads all of its echo");
            }
            connection.close_write().await.expect("the writing side can be closed");
            client.await;
        });
    }
}

fn borrowed_and_owned_keep_order<F: Fixture>(cx: &mut Context<F>) {
    const LENGTH: u64 = 3 * MIB as u64;
    on_both_sides(cx, async |mut connection, peer| {
        let sender = peer.try_clone().expect("it can be duplicated");
        let sending = beside(move || send_in_odd_pieces(&sender, LENGTH));
        let receiving = beside(move || flow::receive_to_end(&peer, 160));
        let mut choice = Rng::with_seed(159);
        let (mut incoming, mut outgoing) = (Pattern::new(159), Pattern::new(160));
        let mut buf = vec![0; 40_000];
        while incoming.position() < LENGTH {
            if choice.bool() {
                let length = choice.usize(1..buf.len());
                let count = connection.read(&mut buf[..length]).await.expect("the stream goes on");
                assert!(count > 0, "the peer sends more");
                incoming.check(&buf[..count]);
            } else {
                let chunk = connection.recv().await.expect("the stream goes on");
                assert!(!chunk.is_empty(), "the peer sends more");
                incoming.check(&chunk);
            }
            let length = choice.usize(1..30_000);
            if choice.bool() {
                let written =
                    connection.write(&outgoing.peek(length)).await.expect("the peer reads");
                outgoing.advance(written);
            } else {
                let mut chunk = Chunk::from(outgoing.peek(length));
                let taken = connection.send(&mut chunk).await.expect("the peer reads");
                assert_eq!(taken + chunk.len(), length, "what was not taken is still in the chunk");
                outgoing.advance(taken);
            }
        }
        connection.close_write().await.expect("a side can be closed");
        sending.await;
        let received = receiving.await.expect("a clean end");
        assert_eq!(received, outgoing.position(), "both paths together send one stream");
    });
}

fn send_in_odd_pieces(mut peer: &UnixStream, length: u64) {
    let mut sent = Pattern::new(159);
    let mut choice = Rng::with_seed(1);
    while sent.position() < length {
        let rest = usize::try_from(length - sent.position()).expect("a length in memory");
        let piece = choice.usize(1..50_000).min(rest);
        peer.write_all(&sent.take(piece)).expect("the library reads");
    }
}

fn sent_after_the_handle_is_gone<F: Fixture>(cx: &mut Context<F>) {
    const LENGTH: usize = 8 * MIB;
    // Less than a quarter of the socket's buffer: where the kernel has to have it, it has room for
    // it, and a writer that waits is told of that room (it is told only below a quarter).
    const LAST_PART: usize = 16 * 1024;
    on_both_sides(cx, async |mut connection, peer| {
        let (drop_it, dropped) = mpsc::channel();
        // Readiness takes only what the kernel has room for, so the peer reads from the start; but
        // the last part it reads only when the handle is gone.
        let reader = beside(move || {
            let mut expected = Pattern::new(160);
            let mut buf = vec![0; 4096];
            while expected.position() < (LENGTH - LAST_PART) as u64 {
                let count = (&peer).read(&mut buf).expect("the stream goes on");
                expected.check(&buf[..count]);
            }
            dropped.recv().expect("the case drops the handle");
            while let count @ 1.. = (&peer).read(&mut buf).expect("no reset") {
                expected.check(&buf[..count]);
                thread::yield_now();
            }
            expected.position()
        });
        let mut chunk = Chunk::from(Pattern::new(160).take(LENGTH));
        while !chunk.is_empty() {
            let before = chunk.len();
            let taken = connection.send(&mut chunk).await.expect("the peer reads");
            assert_eq!(before - chunk.len(), taken, "what send took is gone from the chunk");
        }
        drop(connection);
        drop_it.send(()).expect("the reader waits");
        assert_eq!(reader.await, LENGTH as u64, "what was taken is sent, then the stream ends");
    });
}

fn chunk_outlives_its_connection<F: Fixture>(cx: &mut Context<F>) {
    const LENGTH: usize = 1000;
    let mut chunks = Vec::new();
    for number in 0..4 {
        let mut runtime = cx.runtime();
        let transport = runtime.transport().clone();
        let side = Side::BOTH[number % 2];
        let (chunk, connection) = runtime.block_on(async {
            let (mut connection, mut peer) = side.meet(cx, &transport).await;
            peer.write_all(&Pattern::new(number as u64).take(LENGTH)).expect("connected");
            let chunk = connection.recv().await.expect("bytes are queued");
            // More follows, which nobody takes.
            peer.write_all(&[0xff; LENGTH]).expect("connected");
            peer.shutdown(Shutdown::Write).expect("connected");
            (chunk, connection)
        });
        if number < 2 {
            drop(connection);
            drop(runtime);
        } else {
            drop(runtime);
            drop(connection);
        }
        drop(transport);
        chunks.push((number as u64, chunk));
    }
    // Whoever gets freed memory next writes into it.
    let others: Vec<Vec<u8>> = (0..64).map(|_| vec![0xa5; 64 * 1024]).collect();
    for (seed, chunk) in &chunks {
        Pattern::new(*seed).check(chunk);
    }
    drop(others);
    thread::spawn(move || drop(chunks)).join().expect("a chunk can be dropped on any thread");
}

fn chunk_in_the_rings_memory<F: Fixture>(cx: &mut Context<F>) {
    cx.run(async |transport| {
        for side in Side::BOTH {
            let (mut connection, mut peer) = side.meet(cx, &transport).await;
            for length in [1, 64, 4096] {
                peer.write_all(&Pattern::new(163).take(length)).expect("connected");
                let chunk = connection.recv().await.expect("bytes are queued");
                Pattern::new(163).check(&chunk);
                let is_in_place = F::is_ring_memory(&transport, &chunk);
                assert_eq!(is_in_place, Some(true), "a chunk is the memory that the kernel filled");
                let copy = chunk.to_vec();
                let is_in_place = F::is_ring_memory(&transport, &copy);
                assert_eq!(is_in_place, Some(false), "the control: a copy is elsewhere");
            }
        }
    });
}
