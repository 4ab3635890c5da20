//! Reads and writes on both paths, dropped at random; every byte is accounted for.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::pin;

use fastrand::Rng;
use futures_lite::future::{poll_once, yield_now};
use transport_core::{Chunk, Connection, PollRead, PollWrite};

use crate::cases::meeting::Side;
use crate::cases::random::poll_a_while;
use crate::cases::random::tally::{Operation, STEPS, Tally};
use crate::cases::settling::turns_until;
use crate::context::Context;
use crate::fixture::{Fixture, TransportOf};
use crate::oracle::Pattern;

/// Small enough to be full most of the time.
const SEND_BUFFER: usize = 4096;
const KINDS: [Operation; 4] = [Operation::Read, Operation::Recv, Operation::Write, Operation::Send];

/// One connection after the other, until every kind was dropped often enough.
pub(super) async fn run<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
    random: &mut Rng,
    tally: &mut Tally,
) {
    const MOST: usize = 10 * STEPS;
    while (tally.steps() < STEPS || !tally.has_enough(&KINDS)) && tally.steps() < MOST {
        let side = Side::BOTH[random.usize(..2)];
        let (connection, peer) = side.meet(cx, transport).await;
        connection.set_send_buffer(SEND_BUFFER).expect("a small buffer is allowed");
        let ledger = Ledger::new(peer, random.u64(..1 << 30));
        live(connection, ledger, random, tally).await;
    }
}

async fn live(
    mut connection: impl Connection,
    mut ledger: Ledger,
    random: &mut Rng,
    tally: &mut Tally,
) {
    for _ in 0..random.usize(100..400) {
        match random.bool() {
            true => ledger.step_in(&mut connection, random, tally).await,
            false => ledger.step_out(&mut connection, random, tally).await,
        }
    }
    match random.u8(..3) {
        0 => {
            ledger.close_cleanly(&mut connection).await;
            drop(connection);
        }
        1 => {
            ledger.read_the_rest(&mut connection).await;
            drop(connection);
            ledger.peer_reads_to_the_end().await;
        }
        _ => {
            let (mut read, mut write) = connection.split();
            for _ in 0..random.usize(..200) {
                match random.bool() {
                    true => ledger.step_in(&mut read, random, tally).await,
                    false => ledger.step_out(&mut write, random, tally).await,
                }
            }
            drop(write);
            ledger.peer_reads_to_the_end().await;
            ledger.end_and_read_the_rest(&mut read).await;
        }
    }
}

/// Both ends of one connection, and what each has sent and seen.
struct Ledger {
    peer: UnixStream,
    /// What the peer sent.
    arriving: Pattern,
    /// What this side has received of it.
    received: Pattern,
    /// What this side's writes reported, and what its sends took.
    outgoing: Pattern,
    /// What the peer has seen of it.
    seen: Pattern,
}

impl Ledger {
    fn new(peer: UnixStream, seed: u64) -> Ledger {
        peer.set_nonblocking(true).expect("sockets can be non-blocking");
        let (arriving, outgoing) = (Pattern::new(seed), Pattern::new(seed + 1));
        Ledger { peer, received: arriving.clone(), arriving, seen: outgoing.clone(), outgoing }
    }

    /// A read or a recv; the peer may write while it waits.
    async fn step_in(
        &mut self,
        from: &mut (impl PollRead + Unpin),
        random: &mut Rng,
        tally: &mut Tally,
    ) {
        let Ledger { peer, arriving, received, .. } = self;
        let peer_writes = |random: &mut Rng| {
            if random.bool() {
                write_some(peer, arriving, random.usize(1..3000));
            }
        };
        if random.bool() {
            let answer = poll_a_while(random, from.recv(), peer_writes).await;
            tally.step(Operation::Recv, &answer);
            if let Some(chunk) = answer {
                let chunk = chunk.expect("the stream is open");
                assert!(!chunk.is_empty(), "the stream goes on");
                received.check(&chunk);
            }
        } else {
            let mut buf = [0; 4000];
            let room = random.usize(1..=buf.len());
            let answer = poll_a_while(random, from.read(&mut buf[..room]), peer_writes).await;
            tally.step(Operation::Read, &answer);
            if let Some(count) = answer {
                let count = count.expect("the stream is open");
                assert!(count > 0, "the stream goes on");
                received.check(&buf[..count]);
            }
        }
    }

    /// A write or a send; the peer may read while it waits.
    async fn step_out(
        &mut self,
        to: &mut (impl PollWrite + Unpin),
        random: &mut Rng,
        tally: &mut Tally,
    ) {
        let Ledger { peer, outgoing, seen, .. } = self;
        let bytes = outgoing.peek(random.usize(1..6000));
        let peer_reads = |random: &mut Rng| {
            if random.u8(..3) == 0 {
                read_some(peer, seen, random.usize(1..12_000));
            }
        };
        if random.bool() {
            let mut chunk = Chunk::from(bytes);
            let whole = chunk.len();
            let answer = poll_a_while(random, to.send(&mut chunk), peer_reads).await;
            tally.step(Operation::Send, &answer);
            // What a dropped send took is gone from the chunk.
            let taken = whole - chunk.len();
            if let Some(count) = answer {
                assert_eq!(count.expect("the stream is open"), taken, "send says what it took");
            }
            outgoing.advance(taken);
            return;
        }
        let (front, back) = bytes.split_at(random.usize(..bytes.len()));
        let slices = [IoSlice::new(front), IoSlice::new(back)];
        let answer = match random.bool() {
            true => poll_a_while(random, to.write(&bytes), peer_reads).await,
            false => poll_a_while(random, to.write_vectored(&slices), peer_reads).await,
        };
        tally.step(Operation::Write, &answer);
        if let Some(count) = answer {
            outgoing.advance(count.expect("the stream is open"));
        }
    }

    /// Both directions end, one after the other.
    async fn close_cleanly(&mut self, connection: &mut impl Connection) {
        {
            let mut closing = pin!(connection.close_write());
            loop {
                if let Some(closed) = poll_once(&mut closing).await {
                    closed.expect("the peer is there");
                    break;
                }
                read_some(&self.peer, &mut self.seen, usize::MAX);
                yield_now().await;
            }
        }
        self.peer_reads_to_the_end().await;
        self.end_and_read_the_rest(connection).await;
    }

    /// What this side sent arrives to the last byte, also if its handle is gone by now.
    async fn peer_reads_to_the_end(&mut self) {
        let Ledger { peer, seen, outgoing, .. } = self;
        let mut is_over = || read_some(peer, seen, usize::MAX);
        turns_until("the stream of a handle that is gone ends", &mut is_over).await;
        assert_eq!(seen.position(), outgoing.position(), "what was written arrives, and no more");
    }

    async fn end_and_read_the_rest(&mut self, from: &mut (impl PollRead + Unpin)) {
        self.peer.shutdown(Shutdown::Write).expect("connected");
        self.read_the_rest(from).await;
        let end = from.recv().await.expect("a clean end");
        assert!(end.is_empty(), "nothing arrives that was not sent");
    }

    async fn read_the_rest(&mut self, from: &mut (impl PollRead + Unpin)) {
        while self.received.position() < self.arriving.position() {
            let mut buf = [0; 4096];
            let count = from.read(&mut buf).await.expect("nothing is lost");
            assert!(count > 0, "nothing is lost");
            self.received.check(&buf[..count]);
        }
    }
}

/// Writes at most so many bytes, as many as fit.
fn write_some(mut peer: &UnixStream, arriving: &mut Pattern, most: usize) {
    match peer.write(&arriving.peek(most)) {
        Ok(count) => arriving.advance(count),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "only a full buffer stops it")
        }
    }
}

/// Reads at most so many bytes, as many as there are; whether the stream has ended.
fn read_some(mut peer: &UnixStream, seen: &mut Pattern, most: usize) -> bool {
    let mut buf = [0; 8192];
    let mut left = most;
    while left > 0 {
        let room = left.min(buf.len());
        match peer.read(&mut buf[..room]) {
            Ok(0) => return true,
            Ok(count) => {
                seen.check(&buf[..count]);
                left -= count;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "a stream ends without an error");
                return false;
            }
        }
    }
    false
}
