//! The same behaviour whoever is on the other side: cases 143 (Racket) and 144 (Python), rule X2.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use transport_core::{
    Address, Cleanup, ConnectOptions, Connection, ListenOptions, Listener, PollWrite, Transport,
};

use crate::case::{Case, Outcome, cases};
use crate::cases::flow;
use crate::context::Context;
use crate::fixture::{ConnectionOf, Fixture, ListenerOf, TransportOf};
use crate::foreign::{self, Foreign};
use crate::oracle::Pattern;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        143 racket needs CONCURRENT,
        144 python needs CONCURRENT,
    ]
}

const MEBIBYTE: usize = 1 << 20;

fn racket<F: Fixture>(cx: &mut Context<F>) -> Outcome {
    if !foreign::is_installed("racket", &["-l", "racket/unix-socket", "-e", ""]) {
        return Outcome::skip("apt-get install -y --no-install-recommends racket");
    }
    let source = include_str!("../../peers/peer.rkt");
    let mut peer = Foreign::start("racket", cx.directory(), "peer.rkt", source);
    let addresses = [
        cx.address("s"),
        cx.abstract_address("s"),
        cx.address_of_length(107),
        cx.address_of_length(108),
        longest_abstract(cx),
    ];
    converse(cx, &mut peer, &addresses);
    five_are_admitted(cx, &mut peer);
    ours_waits_where_racket_fails(cx, &mut peer);
    agree_on_what_is_legal(cx, &mut peer);
    Outcome::Pass
}

/// Python's sockets take paths of up to 107 bytes.
fn python<F: Fixture>(cx: &mut Context<F>) -> Outcome {
    if !foreign::is_installed("python3", &["-c", ""]) {
        return Outcome::skip("apt-get install -y --no-install-recommends python3");
    }
    let source = include_str!("../../peers/peer.py");
    let mut peer = Foreign::start("python3", cx.directory(), "peer.py", source);
    let addresses = [
        cx.address("s"),
        cx.abstract_address("s"),
        cx.address_of_length(107),
        longest_abstract(cx),
    ];
    converse(cx, &mut peer, &addresses);
    five_are_admitted(cx, &mut peer);
    Outcome::Pass
}

fn longest_abstract<F: Fixture>(cx: &Context<F>) -> Address {
    let mut bytes = cx.abstract_bytes("");
    bytes.resize(108, b'n');
    Address::abstract_name(bytes).expect("108 bytes fit")
}

/// At every address, in both roles: an echo of 1 MiB and every way to close one half.
fn converse<F: Fixture>(cx: &Context<F>, peer: &mut Foreign, addresses: &[Address]) {
    for address in addresses {
        cx.run(async |transport| {
            let mut meeting = Meeting::<F>::at_ours(transport.clone(), address);
            meeting.all_acts(peer).await;
            drop(meeting);
            let mut meeting = Meeting::<F>::at_theirs(transport, address, peer);
            meeting.all_acts(peer).await;
        });
        remove_file(address);
    }
}

fn remove_file(address: &Address) {
    if let Some(path) = address.as_path() {
        fs::remove_file(path).expect("a listener that keeps its file made it");
    }
}

/// How the two sides meet again and again.
struct Meeting<'a, F: Fixture> {
    transport: TransportOf<F>,
    address: &'a Address,
    /// Ours, or `None` where the peer listens.
    listener: Option<ListenerOf<F>>,
}

impl<'a, F: Fixture> Meeting<'a, F> {
    fn at_ours(transport: TransportOf<F>, address: &'a Address) -> Meeting<'a, F> {
        let cleanup = if address.as_path().is_some() { Cleanup::Remove } else { Cleanup::Keep };
        let options = ListenOptions::compatible().cleanup(cleanup);
        let listener = transport.listen(address, &options).expect("the address is free");
        Meeting { transport, address, listener: Some(listener) }
    }

    fn at_theirs(
        transport: TransportOf<F>,
        address: &'a Address,
        peer: &mut Foreign,
    ) -> Meeting<'a, F> {
        peer.expect(&format!("serve {}", foreign::argument(address)), "listening");
        Meeting { transport, address, listener: None }
    }

    /// A new connection, the same one on both sides.
    async fn meet(&mut self, peer: &mut Foreign) -> ConnectionOf<F> {
        if let Some(listener) = &mut self.listener {
            peer.expect(&format!("connect {}", foreign::argument(self.address)), "connected");
            return listener.accept().await.expect("the peer has connected").0;
        }
        let connected = self.transport.connect(self.address, &ConnectOptions::new()).await;
        let connection = connected.expect("the peer listens");
        peer.expect("accept", "accepted");
        connection
    }

    async fn all_acts(&mut self, peer: &mut Foreign) {
        they_echo(self.meet(peer).await, peer).await;
        we_echo(self.meet(peer).await, peer).await;
        we_close_write(self.meet(peer).await, peer).await;
        we_close_read(self.meet(peer).await, peer).await;
        they_close_write(self.meet(peer).await, peer).await;
        they_close_read(self.meet(peer).await, peer).await;
    }
}

async fn they_echo(ours: impl Connection, peer: &mut Foreign) {
    const SEED: u64 = 143;
    peer.tell("echo");
    let (mut read, mut write) = ours.split();
    let send = async {
        let sent = Pattern::new(SEED).take(MEBIBYTE);
        write.write_all(&sent).await.expect("the peer reads all of it");
        write.close_write().await.expect("the stream can be ended");
    };
    let (came_back, ()) = zip(flow::read_to_end(&mut read, SEED), send).await;
    assert_eq!(came_back.expect("the echo comes back whole"), MEBIBYTE as u64);
    assert_eq!(peer.hear(), format!("echoed {MEBIBYTE}"));
    peer.expect("close", "closed");
}

async fn we_echo(mut ours: impl Connection, peer: &mut Foreign) {
    peer.tell(&format!("check {MEBIBYTE}"));
    flow::echo(&mut ours).await;
    assert_eq!(peer.hear(), format!("same {MEBIBYTE}"));
    peer.expect("close", "closed");
}

/// They see the end, and what they write still arrives.
async fn we_close_write(mut ours: impl Connection, peer: &mut Foreign) {
    ours.write_all(b"ours").await.expect("it is connected");
    ours.close_write().await.expect("one half can be closed");
    peer.expect("read", &format!("read {}", foreign::hex(b"ours")));
    peer.expect("read", "end");
    they_still_write(&mut ours, peer).await;
    peer.expect("close", "closed");
}

/// They can't write, and what we write still arrives.
async fn we_close_read(mut ours: impl Connection, peer: &mut Foreign) {
    ours.close_read().expect("one half can be closed");
    let broken = peer.ask(&format!("write {}", foreign::hex(b"lost")));
    assert_eq!(broken, format!("failed {}", libc::EPIPE));
    we_still_write(&mut ours, peer).await;
    // Racket can't close a port that holds what could not be written, so the end is ours.
    drop(ours);
    _ = peer.ask("close");
}

/// We see the end, and what we write still arrives.
async fn they_close_write(mut ours: impl Connection, peer: &mut Foreign) {
    peer.expect(&format!("write {}", foreign::hex(b"theirs")), "wrote");
    peer.expect("close-write", "closed");
    let mut received = [0; 6];
    ours.read_exact(&mut received).await.expect("it was written before the end");
    assert_eq!(&received, b"theirs");
    for _ in 0..2 {
        assert_eq!(ours.read(&mut received).await.expect("then the end"), 0);
    }
    we_still_write(&mut ours, peer).await;
    peer.expect("close", "closed");
}

/// We can't write, and what they write still arrives.
async fn they_close_read(mut ours: impl Connection, peer: &mut Foreign) {
    peer.expect("close-read", "closed");
    let broken = ours.write(b"lost").await.err().map(|error| error.kind());
    assert_eq!(broken, Some(ErrorKind::BrokenPipe));
    they_still_write(&mut ours, peer).await;
    peer.expect("close", "closed");
}

async fn we_still_write(ours: &mut impl Connection, peer: &mut Foreign) {
    ours.write_all(b"still").await.expect("this direction goes on");
    peer.expect("read", &format!("read {}", foreign::hex(b"still")));
}

async fn they_still_write(ours: &mut impl Connection, peer: &mut Foreign) {
    peer.expect(&format!("write {}", foreign::hex(b"still")), "wrote");
    let mut received = [0; 5];
    ours.read_exact(&mut received).await.expect("this direction goes on");
    assert_eq!(&received, b"still");
}

/// Our listener with Racket's backlog admits five of their clients; the sixth gets EAGAIN.
fn five_are_admitted<F: Fixture>(cx: &Context<F>, peer: &mut Foreign) {
    let address = cx.address("five");
    cx.run(async |transport| {
        let listening = transport.listen(&address, &ListenOptions::compatible());
        let _listener = listening.expect("the address is free");
        let argument = foreign::argument(&address);
        peer.expect(&format!("fill {argument}"), &format!("filled 5 {}", libc::EAGAIN));
        peer.expect("empty", "emptied");
    });
}

/// Racket's listener with its default backlog is full: Racket's client fails at once, ours waits
/// until there is a place.
fn ours_waits_where_racket_fails<F: Fixture>(cx: &Context<F>, peer: &mut Foreign) {
    let address = cx.address("full");
    let argument = foreign::argument(&address);
    cx.run(async |transport| {
        peer.expect(&format!("serve {argument}"), "listening");
        peer.expect(&format!("fill {argument}"), &format!("filled 5 {}", libc::EAGAIN));
        peer.expect(&format!("connect {argument}"), &format!("failed {}", libc::EAGAIN));
        let at_once = ConnectOptions::new().timeout(Duration::ZERO);
        let full = transport.connect(&address, &at_once).await.err().map(|error| error.kind());
        assert_eq!(full, Some(ErrorKind::WouldBlock));
        let options = ConnectOptions::new();
        let mut connect = Box::pin(transport.connect(&address, &options));
        assert!(poll_once(&mut connect).await.is_none(), "ours waits");
        peer.expect("accept", "accepted");
        let mut ours = connect.await.expect("there is a place now");
        for _ in 0..5 {
            peer.expect("accept", "accepted");
        }
        we_still_write(&mut ours, peer).await;
        peer.expect("empty", "emptied");
    });
}

/// Both libraries take the same paths and the same abstract names, over inputs that gather around
/// everything that matters: the limits, slashes, dots, NUL bytes.
fn agree_on_what_is_legal<F: Fixture>(cx: &Context<F>, peer: &mut Foreign) {
    const INPUTS: usize = 3000;
    env::set_current_dir(cx.directory()).expect("the case's own, and the peer's");
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut legal = 0;
    for _ in 0..INPUTS {
        let bytes = input(&mut random, cx.directory().as_os_str().as_bytes());
        let is_path = random.bool();
        let (ours, argument) = match is_path {
            true => (Address::path(OsStr::from_bytes(&bytes)), foreign::path_argument(&bytes)),
            false => (Address::abstract_name(bytes.clone()), foreign::name_argument(&bytes)),
        };
        let theirs = peer.ask(&format!("legal {argument}"));
        let expected = if ours.is_ok() { "yes" } else { "no" };
        assert_eq!(theirs, expected, "seed {seed}: Racket on {argument}, where we say {ours:?}");
        legal += usize::from(ours.is_ok());
    }
    let share = INPUTS / 10..INPUTS - INPUTS / 10;
    assert!(share.contains(&legal), "the inputs are of both kinds: {legal} of {INPUTS} are legal");
}

/// Up to 125 bytes, most of them ordinary, some not; often as long as the limit allows, counted
/// with and without the working directory.
fn input(random: &mut fastrand::Rng, directory: &[u8]) -> Vec<u8> {
    let length = match random.u8(0..4) {
        0 => random.usize(0..12),
        1 => random.usize(0..125),
        2 => random.usize(104..112),
        _ => random.usize(104..112) - directory.len() - 1,
    };
    let mut bytes: Vec<u8> = (0..length)
        .map(|_| match random.u8(0..100) {
            0 => 0,
            1..4 => b'/',
            4..8 => b'.',
            8..12 => random.u8(..),
            12..14 => b'@',
            _ => random.alphanumeric() as u8,
        })
        .collect();
    let first = [b'/', 0, b'.', b'@'];
    if let Some(byte) = bytes.first_mut()
        && random.u8(0..4) > 0
    {
        *byte = first[random.usize(..first.len())];
    }
    if random.u8(0..4) == 0 {
        // NUL bytes decide too much to be in every input.
        bytes.iter_mut().skip(1).filter(|byte| **byte == 0).for_each(|byte| *byte = b'n');
    }
    bytes
}
