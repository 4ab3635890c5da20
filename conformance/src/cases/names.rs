//! Names that are no paths: abstract names, and the names of peers: cases 13 to 18, 20, 22 to 24
//! and 26 (rules A4, A7).

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;

use nix::sched::{CloneFlags, unshare};
use transport_core::{
    Address, AddressError, AdoptOptions, ConnectOptions, Connection, ListenOptions, Listener,
    PeerAddress, Transport,
};

use crate::case::{Case, Outcome, cases};
use crate::context::{Context, eventually};
use crate::fixture::Fixture;
use crate::oracle;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        13 abstract_single_nul needs ALONE,
        14 abstract_108_bytes,
        15 abstract_109_bytes_refused,
        16 abstract_trailing_nul_counts,
        17 abstract_nuls_round_trip,
        18 abstract_without_leading_nul_refused,
        20 path_and_abstract_of_same_text,
        22 unbound_peer_is_unnamed,
        23 bound_peers_bytes,
        24 pair_is_unnamed,
        26 another_network_namespace,
    ]
}

/// The name is the same for everyone on the machine, so this waits for its turn.
fn abstract_single_nul<F: Fixture>(cx: &mut Context<F>) {
    let address = Address::abstract_name([0]).expect("a single NUL is a legal name");
    cx.run(async |transport| {
        let mut listener = None;
        eventually("nobody else uses the name", || {
            listener = match transport.listen(&address, &ListenOptions::new()) {
                Ok(listener) => Some(listener),
                Err(error) if error.kind() == ErrorKind::AddrInUse => None,
                Err(error) => panic!("a single NUL is a name that can be bound: {error}"),
            };
            listener.is_some()
        });
        let mut listener = listener.expect("the wait is over");
        let mut client = oracle::connect(&address).expect("it listens");
        let (mut server, _) = listener.accept().await.expect("a client waits");
        oracle::exchange(&mut server, &mut client).await;
    });
}

fn abstract_108_bytes<F: Fixture>(cx: &mut Context<F>) {
    let mut bytes = cx.abstract_bytes("");
    bytes.resize(108, b'x');
    let address = Address::abstract_name(bytes).expect("108 bytes fit");
    cx.serves(&address);
    cx.dials(&address);
}

fn abstract_109_bytes_refused<F: Fixture>(_: &mut Context<F>) {
    let refused = Address::abstract_name([0; 109]);
    assert_eq!(refused, Err(AddressError::TooLong { length: 109, limit: 108 }));
}

fn abstract_trailing_nul_counts<F: Fixture>(cx: &mut Context<F>) {
    let short = cx.abstract_address("abc");
    let long = cx.abstract_address("abc\0");
    assert_ne!(short, long);
    reach_different_listeners(cx, &short, &long);
}

fn path_and_abstract_of_same_text<F: Fixture>(cx: &mut Context<F>) {
    let path = cx.address("s");
    let text = format!("\0{}", cx.path("s").display());
    let name = Address::abstract_name(text).expect("a path and a NUL fit");
    reach_different_listeners(cx, &path, &name);
}

/// Both addresses can be listened at together, and a client of one never reaches the other.
fn reach_different_listeners<F: Fixture>(cx: &Context<F>, one: &Address, other: &Address) {
    cx.run(async |transport| {
        let mut first = transport.listen(one, &ListenOptions::new()).expect("it is free");
        let mut second = transport.listen(other, &ListenOptions::new()).expect("it is another one");
        for (listener, address) in [(&mut second, other), (&mut first, one)] {
            let mut client = oracle::connect(address).expect("it listens");
            let (mut server, _) = listener.accept().await.expect("its own client waits");
            oracle::exchange(&mut server, &mut client).await;
        }
    });
}

fn abstract_nuls_round_trip<F: Fixture>(cx: &mut Context<F>) {
    let bytes = cx.abstract_bytes("a\0\0b\0");
    let address = Address::abstract_name(bytes.clone()).expect("NULs inside are legal");
    assert!(matches!(&address, Address::Abstract(name) if name.as_bytes() == bytes));
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let client = oracle::connect(&address).expect("it listens");
        let named = client.peer_addr().expect("it is connected");
        assert_eq!(named.as_abstract_name(), Some(&bytes[1..]), "the kernel has all bytes");
        listener.accept().await.expect("a client waits");
    });
    assert_eq!(cx.connect_error(&cx.abstract_address("a")).kind(), ErrorKind::ConnectionRefused);
}

fn abstract_without_leading_nul_refused<F: Fixture>(_: &mut Context<F>) {
    assert_eq!(Address::abstract_name(*b"abc"), Err(AddressError::NoLeadingNul));
    assert_eq!(Address::abstract_name([]), Err(AddressError::NoLeadingNul));
}

fn unbound_peer_is_unnamed<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let _client = oracle::connect(&address).expect("it listens");
        let (server, from) = listener.accept().await.expect("a client waits");
        assert_eq!(from, PeerAddress::Unnamed);
        assert_eq!(server.peer_address().expect("it is connected"), PeerAddress::Unnamed);
    });
}

fn bound_peers_bytes<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let name = cx.abstract_bytes("\x1b[2J\n");
    let longest = cx.path_of_length(107);
    let peers = [
        (Address::abstract_name(name.clone()).expect("legal"), PeerAddress::Abstract(name)),
        (
            Address::path(&longest).expect("legal"),
            PeerAddress::Path(longest.to_str().expect("ASCII").as_bytes().to_vec()),
        ),
    ];
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        for (own, seen) in &peers {
            let _client = oracle::connect_from(own, &address).expect("it listens");
            let (server, from) = listener.accept().await.expect("a client waits");
            assert_eq!(&from, seen);
            assert_eq!(&server.peer_address().expect("it is connected"), seen);
            let shown = from.to_string();
            assert!(!shown.contains(char::is_control), "a hostile name is escaped: {shown:?}");
        }
        let client = transport.connect(&address, &ConnectOptions::new()).await.expect("it listens");
        let servers = PeerAddress::Path(cx.path("s").to_str().expect("ASCII").as_bytes().to_vec());
        assert_eq!(client.peer_address().expect("it is connected"), servers);
    });
}

fn pair_is_unnamed<F: Fixture>(cx: &mut Context<F>) {
    cx.run(async |transport| {
        let (mut one, mut other) =
            transport.pair(&AdoptOptions::new()).expect("a pair needs no name");
        assert_eq!(one.peer_address().expect("it is connected"), PeerAddress::Unnamed);
        assert_eq!(other.peer_address().expect("it is connected"), PeerAddress::Unnamed);
        oracle::is_connected_to(&mut one, &mut other).await;
    });
}

fn another_network_namespace<F: Fixture>(cx: &mut Context<F>) -> Outcome {
    let (path, name) = (cx.address("s"), cx.abstract_address("s"));
    let by_path = oracle::listen(&path);
    let _by_name = oracle::listen(&name);
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
        return Outcome::skip(format!(
            "making a network namespace: {errno}; run the suite as root"
        ));
    }
    assert_eq!(cx.connect_error(&name).kind(), ErrorKind::ConnectionRefused);
    cx.run(async |transport| {
        let mut client = transport
            .connect(&path, &ConnectOptions::new())
            .await
            .expect("paths belong to the filesystem, not to the network namespace");
        let (mut server, _) = by_path.accept().expect("the backend waits in the queue");
        oracle::exchange(&mut client, &mut server).await;
    });
    Outcome::Pass
}
