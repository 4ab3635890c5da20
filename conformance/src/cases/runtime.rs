//! Runtimes: cases 150, 151 and 153 to 155 (rule X1).

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_lite::future::{poll_once, yield_now, zip};
use transport_core::{
    AdoptOptions, Backend, Chunk, ConnectOptions, Connection, ListenOptions, Listener, PollRead,
    PollWrite, Runtime, Transport,
};

use crate::case::{Case, cases};
use crate::cases::flow;
use crate::cases::meeting::Side;
use crate::census::Census;
use crate::context::{Context, eventually};
use crate::fixture::{Capabilities, ConnectionOf, Fixture, TransportOf};
use crate::oracle::{self, Pattern};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        150 both_peers_on_one_thread needs CONCURRENT,
        151 everything_returns_to_the_baseline,
        153 two_runtimes_in_one_process needs DRIVEN,
        154 dropped_with_operations_in_flight needs DRIVEN | CONCURRENT,
        155 exec_inherits_nothing,
    ]
}

fn both_peers_on_one_thread<F: Fixture>(cx: &mut Context<F>) {
    const LENGTH: usize = 1024 * 1024;
    let address = cx.address("both");
    let mut runtime = cx.runtime();
    let transport = runtime.transport().clone();
    let mut listener = transport.listen(&address, &ListenOptions::new()).expect("the path is free");
    let server = runtime.spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("the client comes");
        flow::echo(&mut connection).await;
    });
    let client = runtime.spawn(async move {
        let connecting = transport.connect(&address, &ConnectOptions::new()).await;
        let (mut read, mut write) = connecting.expect("the server listens").split();
        let writing = async {
            write.write_all(&Pattern::new(150).take(LENGTH)).await.expect("the server reads");
            write.close_write().await.expect("a side can be closed");
        };
        let reading = flow::read_to_end(&mut read, 150);
        zip(writing, reading).await.1.expect("the echo is whole")
    });
    let came_back = runtime.block_on(async {
        let came_back = client.await;
        server.await;
        came_back
    });
    assert_eq!(came_back, LENGTH as u64, "neither side keeps the thread from the other");
}

fn everything_returns_to_the_baseline<F: Fixture>(cx: &mut Context<F>) {
    // The first life may make what stays for good.
    whole_life(cx);
    let before = Census::take();
    for _ in 0..5 {
        whole_life(cx);
    }
    before.assert_unchanged();
    let leak = File::open("/dev/null").expect("it is always there");
    let now = Census::take();
    assert_eq!(now.descriptors.len(), before.descriptors.len() + 1, "the census sees a leak");
    drop(leak);
}

/// A runtime with something of everything, dropped in the middle of it.
fn whole_life<F: Fixture>(cx: &Context<F>) {
    let mut runtime = cx.runtime();
    let transport = runtime.transport().clone();
    let listening = transport.listen(&cx.abstract_address("life"), &ListenOptions::new());
    let mut listener = listening.expect("the name is free again");
    let (connection, peer) = runtime.block_on(Side::Server.meet(cx, &transport));
    let (other, mut other_peer) = runtime.block_on(Side::Client.meet(cx, &transport));
    let (read, write) = other.split();
    drop(write);
    let pair = transport.pair(&AdoptOptions::new()).expect("a pair");
    let queued = oracle::connect(&cx.abstract_address("life")).expect("the backlog has room");
    assert_eq!(other_peer.read(&mut [0; 8]).expect("the half is closed"), 0);
    if F::capabilities().contains(Capabilities::CONCURRENT) {
        let (mut waiting, far_end) = pair;
        let task = runtime.spawn(async move {
            _ = waiting.recv().await; // never comes
            drop(far_end);
        });
        task.detach();
        let handle = runtime.handle();
        runtime.spawn(async move { handle.sleep(Duration::from_secs(3600)).await }).detach();
        runtime.block_on(async {
            listener.accept().await.expect("a client waits");
            assert!(poll_once(listener.accept()).await.is_none(), "there was one client");
        });
    }
    drop((runtime, connection, peer, read, queued));
}

fn two_runtimes_in_one_process<F: Fixture>(cx: &mut Context<F>) {
    // On two threads, each end of a connection in its own.
    let address = cx.address("two");
    let mut server = cx.runtime();
    let listening = server.transport().listen(&address, &ListenOptions::new());
    let mut listener = listening.expect("the path is free");
    let client = oracle::peer({
        let address = address.clone();
        move || {
            Context::<F>::new().run(async |transport| {
                let connecting = transport.connect(&address, &ConnectOptions::new()).await;
                let mut connection = connecting.expect("the server listens");
                for round in 0_u32..1000 {
                    connection.write_all(&round.to_ne_bytes()).await.expect("connected");
                    let mut echo = [0; 4];
                    connection.read_exact(&mut echo).await.expect("connected");
                    assert_eq!(echo, round.to_ne_bytes());
                }
            });
        }
    });
    server.block_on(async {
        let (mut connection, _) = listener.accept().await.expect("the client comes");
        flow::echo(&mut connection).await;
    });
    client.finish();

    // On one thread, by turns.
    let mut other = cx.runtime();
    let (mut one, mut peer_of_one) = server.block_on(Side::Server.meet(cx, &transport_of(&server)));
    let (mut two, mut peer_of_two) = other.block_on(Side::Client.meet(cx, &transport_of(&other)));
    for _ in 0..10 {
        server.block_on(oracle::exchange(&mut one, &mut peer_of_one));
        other.block_on(oracle::exchange(&mut two, &mut peer_of_two));
    }
    drop(server);
    other.block_on(oracle::exchange(&mut two, &mut peer_of_two));
}

fn transport_of<B: Backend>(runtime: &Runtime<B>) -> B::Transport {
    runtime.transport().clone()
}

fn dropped_with_operations_in_flight<F: Fixture>(cx: &mut Context<F>) {
    for connections_first in [false, true] {
        let mut runtime = cx.runtime();
        let transport = runtime.transport().clone();
        let (connections, flood) = runtime.block_on(flooded(cx, &transport));
        if connections_first {
            drop(connections);
            drop(runtime);
        } else {
            drop(runtime);
            drop(connections);
        }
        let freed = F::bytes_lent_to_kernel(&transport).unwrap_or(0);
        assert_eq!(freed, 0, "nothing is freed that the kernel may still write to");
        drop(transport);
        nothing_is_overwritten(&flood);
        flood.stop();
    }
}

/// Connections with every kind of operation under way, whose peers write all the time.
async fn flooded<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
) -> (Vec<ConnectionOf<F>>, Flood) {
    let (mut connections, mut peers) = (Vec::new(), Vec::new());
    for number in 0..32 {
        let side = Side::BOTH[number % 2];
        let (mut connection, peer) = side.meet(cx, transport).await;
        let receiving = match number % 4 {
            0 => poll_once(connection.read(&mut [0; 8])).await.is_some(),
            _ => poll_once(connection.recv()).await.is_some(),
        };
        assert!(!receiving, "nothing was sent yet");
        // Bytes that nobody reads on the other side: more than its buffer takes.
        let mut chunk = Chunk::from(vec![7; 400_000]);
        while !chunk.is_empty() {
            let Some(sent) = poll_once(connection.send(&mut chunk)).await else { break };
            sent.expect("connected");
        }
        connections.push(connection);
        peers.push(peer);
    }
    let flood = Flood::start(peers);
    for _ in 0..20 {
        yield_now().await;
    }
    (connections, flood)
}

/// A thread that writes to many peers without ever waiting for one.
struct Flood {
    thread: oracle::Peer<()>,
    rounds: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Flood {
    fn start(peers: Vec<UnixStream>) -> Flood {
        let (rounds, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let thread = oracle::peer({
            let (rounds, is_over) = (Arc::clone(&rounds), Arc::clone(&is_over));
            move || {
                for peer in &peers {
                    peer.set_nonblocking(true).expect("sockets can be non-blocking");
                }
                while !is_over.load(Ordering::Relaxed) {
                    for mut peer in &peers {
                        match peer.write(&[0x5a; 4096]).map_err(|error| error.kind()) {
                            Ok(_) | Err(ErrorKind::WouldBlock | ErrorKind::BrokenPipe) => {}
                            Err(ErrorKind::ConnectionReset) => {}
                            Err(other) => {
                                panic!("a flood meets only full and closed peers: {other}")
                            }
                        }
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                }
            }
        });
        Flood { thread, rounds, is_over }
    }

    /// Waits until every peer was written to so many times again.
    fn go_on(&self, rounds: usize) {
        let end = self.rounds.load(Ordering::Relaxed) + rounds;
        eventually("the peers have written", || self.rounds.load(Ordering::Relaxed) >= end);
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.finish();
    }
}

/// Memory that was freed too early is soon somebody else's. Here it would be these blocks'.
fn nothing_is_overwritten(flood: &Flood) {
    const SIZES: [usize; 4] = [4096, 16 * 1024, 64 * 1024, 400_000];
    let blocks: Vec<Vec<u8>> = (0..256).map(|number| vec![0xa5; SIZES[number % 4]]).collect();
    flood.go_on(100);
    let is_whole = blocks.iter().all(|block| block.iter().all(|&byte| byte == 0xa5));
    assert!(is_whole, "the kernel writes nothing into memory that was given back");
}

fn exec_inherits_nothing<F: Fixture>(cx: &mut Context<F>) {
    if cx.role().is_some() {
        // What a new program finds open.
        for (number, target) in Census::take().descriptors {
            println!("{number} {target}");
        }
        return;
    }
    let before = descriptors_of_a_child(cx);
    let mut runtime = cx.runtime();
    let transport = runtime.transport().clone();
    let listening = transport.listen(&cx.address("inherit"), &ListenOptions::new());
    let listener = listening.expect("the path is free");
    let shared = F::capabilities()
        .contains(Capabilities::SHARED_LISTENERS)
        .then(|| transport.share_listener(&listener).expect("the listener is open"));
    let accepted = runtime.block_on(Side::Server.meet(cx, &transport));
    let connected = runtime.block_on(Side::Client.meet(cx, &transport));
    let pair = transport.pair(&AdoptOptions::new()).expect("a pair");
    // These were inheritable when they came.
    let (foreign, far_end) = UnixStream::pair().expect("a pair");
    nix::fcntl::fcntl(&foreign, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))
        .expect("the flag can be cleared");
    let adopted = transport.adopt_connection(foreign.into(), &AdoptOptions::new());
    let adopted = adopted.expect("it is connected");
    let released = runtime.block_on(connected.0.release()).expect("nothing is under way");
    let after = descriptors_of_a_child(cx);
    assert_eq!(after, before, "a program that is started inherits nothing");
    drop((runtime, listener, shared, accepted, pair, adopted, far_end, released));
}

fn descriptors_of_a_child<F: Fixture>(cx: &Context<F>) -> usize {
    let mut command = cx.role_command("child");
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.expect("the case can start itself again");
    assert!(output.status.success(), "the child lists its descriptors");
    output.stdout.iter().filter(|&&byte| byte == b'\n').count()
}
