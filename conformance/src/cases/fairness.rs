//! Fairness: cases 166 and 168.
//!
//! One endless sender must not keep the others waiting, nor an endless queue of clients: a task that
//! always finds more to read, or to accept, has to let the rest of the thread have its turn.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use transport_core::{Connection, ListenOptions, Listener, Transport};

use crate::case::{Case, cases};
use crate::cases::meeting::Side;
use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle::{self, beside};

/// How many connections play ping-pong.
const PLAYERS: usize = 127;
/// How many messages each player exchanges in one measurement.
const MESSAGES: usize = 20;
/// The best of so many measurements counts: noise only ever adds.
const ATTEMPTS: usize = 8;
/// What a measurement is good for on a busy machine.
const RESOLUTION: Duration = Duration::from_millis(1);

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        166 endless_sender_is_no_burden needs CONCURRENT | ALONE,
        168 waiting_clients_are_no_burden needs CONCURRENT,
    ]
}

fn endless_sender_is_no_burden<F: Fixture>(cx: &mut Context<F>) {
    for owned in [false, true] {
        let mut runtime = cx.runtime();
        let transport = runtime.transport().clone();
        let mut players = Vec::new();
        for _ in 0..PLAYERS {
            let (connection, peer) = runtime.block_on(Side::Server.meet(cx, &transport));
            runtime.spawn(ping_pong(connection, owned)).detach();
            players.push(peer);
        }
        let (sink, sender) = runtime.block_on(Side::Server.meet(cx, &transport));
        runtime.spawn(swallow(sink, owned)).detach();
        let flood = Flood::start(sender);
        let (alone, burdened) = runtime.block_on(beside(move || {
            let answer = measure(&players, &flood);
            flood.stop();
            answer
        }));
        let path = if owned { "owned" } else { "borrowed" };
        cx.note(format_args!(
            "{path} path: p99 {alone:?} without and {burdened:?} with an endless sender"
        ));
        assert!(
            burdened <= 2 * alone + RESOLUTION,
            "{path} path: one endless sender may at most double the others' p99, from {alone:?}: {burdened:?}"
        );
    }
}

/// How many clients wait to be accepted.
const WAITING: usize = 500;

/// Those who were accepted have their turns while others are left.
fn waiting_clients_are_no_burden<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let mut runtime = cx.runtime();
    let (transport, handle) = (runtime.transport().clone(), runtime.handle());
    runtime.block_on(async {
        let backlog = ListenOptions::new().backlog(WAITING as u32);
        let mut listener = transport.listen(&address, &backlog).expect("it is free");
        let connect = |_| oracle::connect(&address).expect("there is room");
        let _clients: Vec<UnixStream> = (0..WAITING).map(connect).collect();
        let (mut accepted, served) = (Vec::new(), Arc::new(AtomicBool::new(false)));
        while !served.load(Ordering::Relaxed) {
            assert!(accepted.len() < WAITING, "nobody is served until all are accepted");
            accepted.push(listener.accept().await.expect("clients wait"));
            let served = Arc::clone(&served);
            handle.spawn(async move { served.store(true, Ordering::Relaxed) }).detach();
        }
        cx.note(format_args!("the first is served when {} are accepted", accepted.len()));
    });
}

async fn ping_pong(mut connection: impl Connection, owned: bool) {
    let mut buf = [0; 64];
    loop {
        if owned {
            let chunk = connection.recv().await.expect("the client plays");
            if chunk.is_empty() {
                return;
            }
            connection.send_all(chunk).await.expect("the client plays");
        } else {
            let count = connection.read(&mut buf).await.expect("the client plays");
            if count == 0 {
                return;
            }
            connection.write_all(&buf[..count]).await.expect("the client plays");
        }
    }
}

/// Reads as fast as it can, as a program does that waits for the end of a file. Its small buffer
/// makes it slower than the sender, so there is always more to read.
async fn swallow(mut connection: impl Connection, owned: bool) {
    let mut buf = [0; 64];
    loop {
        let count = match owned {
            true => connection.recv().await.map(|chunk| chunk.len()),
            false => connection.read(&mut buf).await,
        };
        if count.expect("the sender goes on") == 0 {
            return;
        }
    }
}

/// The best p99 without and with the endless sender, measured by turns.
fn measure(players: &[UnixStream], flood: &Flood) -> (Duration, Duration) {
    let (mut alone, mut burdened) = (Duration::MAX, Duration::MAX);
    for _ in 0..ATTEMPTS {
        flood.turn_to(ELSEWHERE);
        alone = alone.min(p99(players));
        flood.turn_to(TO_THE_SERVER);
        burdened = burdened.min(p99(players));
    }
    (alone, burdened)
}

/// All players have a message under way at once.
fn p99(players: &[UnixStream]) -> Duration {
    let mut times = Vec::with_capacity(PLAYERS * MESSAGES);
    for _ in 0..MESSAGES {
        let starts = players.iter().map(|mut player| {
            let start = Instant::now();
            player.write_all(&[7; 64]).expect("the server plays");
            start
        });
        let starts: Vec<Instant> = starts.collect();
        for (mut player, start) in players.iter().zip(starts) {
            player.read_exact(&mut [0; 64]).expect("the server plays");
            times.push(start.elapsed());
        }
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// A thread that always sends 1 MiB: to the server or, as the control, to itself, so that it takes
/// the same share of the processors.
struct Flood {
    thread: oracle::Peer<()>,
    direction: Arc<AtomicU8>,
}

const OVER: u8 = 0;
const ELSEWHERE: u8 = 1;
const TO_THE_SERVER: u8 = 2;

impl Flood {
    fn start(mut server: UnixStream) -> Flood {
        let direction = Arc::new(AtomicU8::new(ELSEWHERE));
        let thread = oracle::peer({
            let direction = Arc::clone(&direction);
            move || {
                let (mut one, mut other) = UnixStream::pair().expect("a pair");
                let message = vec![1; 1024 * 1024];
                let mut buf = vec![0; 64 * 1024];
                loop {
                    match direction.load(Ordering::Relaxed) {
                        OVER => return,
                        ELSEWHERE => {
                            one.write_all(&message[..buf.len()]).expect("connected");
                            other.read_exact(&mut buf).expect("connected");
                        }
                        _ => server.write_all(&message).expect("the server swallows"),
                    }
                }
            }
        });
        Flood { thread, direction }
    }

    fn turn_to(&self, direction: u8) {
        self.direction.store(direction, Ordering::Relaxed);
        thread::yield_now();
    }

    fn stop(self) {
        self.turn_to(OVER);
        self.thread.finish();
    }
}
