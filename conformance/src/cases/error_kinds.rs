//! One table of error kinds: case 142 (rules C2, S6, X2).
//!
//! Every fixture is held against the same table, so what a program matches on does not depend on
//! the backend that it runs on.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use transport_core::{
    Address, AdoptOptions, ConnectOptions, Connection, Error, ListenOptions, Listener, PollRead,
    PollWrite, Transport,
};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture, TransportOf};
use crate::oracle;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F; 142 one_table_of_error_kinds]
}

/// What was done, the kind that it failed with, and the errno where there is one.
type Row = (&'static str, ErrorKind, Option<i32>);

const TABLE: [Row; 26] = [
    ("connect: missing", ErrorKind::NotFound, Some(libc::ENOENT)),
    ("connect: missing abstract name", ErrorKind::ConnectionRefused, Some(libc::ECONNREFUSED)),
    ("connect: stale", ErrorKind::ConnectionRefused, Some(libc::ECONNREFUSED)),
    ("connect: directory", ErrorKind::ConnectionRefused, Some(libc::ECONNREFUSED)),
    ("connect: through a file", ErrorKind::NotADirectory, Some(libc::ENOTDIR)),
    ("connect: datagram socket", ErrorKind::InvalidInput, Some(libc::EPROTOTYPE)),
    ("connect: unnamed", ErrorKind::InvalidInput, None),
    ("connect: full, not waiting", ErrorKind::WouldBlock, None),
    ("connect: full, deadline", ErrorKind::TimedOut, None),
    ("listen: address in use", ErrorKind::AddrInUse, Some(libc::EADDRINUSE)),
    ("listen: missing directory", ErrorKind::NotFound, Some(libc::ENOENT)),
    ("listen: unnamed", ErrorKind::InvalidInput, None),
    ("listen: mode on an abstract name", ErrorKind::InvalidInput, None),
    ("listen: unsafe directory", ErrorKind::PermissionDenied, None),
    ("adopt: file as listener", ErrorKind::InvalidInput, None),
    ("adopt: file as connection", ErrorKind::InvalidInput, None),
    ("accept: deadline", ErrorKind::TimedOut, None),
    ("accept: closed", ErrorKind::NotConnected, None),
    ("read: deadline", ErrorKind::TimedOut, None),
    ("read: peer closed with unread data", ErrorKind::ConnectionReset, Some(libc::ECONNRESET)),
    ("read: closed", ErrorKind::NotConnected, None),
    ("write: deadline", ErrorKind::TimedOut, None),
    ("write: peer closed", ErrorKind::BrokenPipe, Some(libc::EPIPE)),
    ("write: closed", ErrorKind::NotConnected, None),
    ("descriptors: received uninvited", ErrorKind::Unsupported, None),
    ("descriptors: sent without a byte", ErrorKind::InvalidInput, None),
];

fn one_table_of_error_kinds<F: Fixture>(cx: &mut Context<F>) {
    let rows = cx.run(async |transport| {
        let mut table = Table::default();
        connecting(cx, &transport, &mut table).await;
        listening(cx, &transport, &mut table).await;
        adopting(cx, &transport, &mut table);
        accepting(cx, &transport, &mut table).await;
        reading(&transport, &mut table).await;
        writing(&transport, &mut table).await;
        descriptors(&transport, &mut table).await;
        table.rows
    });
    let sends_descriptors = F::capabilities().contains(Capabilities::DESCRIPTORS);
    let applies = |row: &&Row| sends_descriptors || !row.0.starts_with("descriptors");
    for (row, expected) in rows.iter().filter(applies).zip(TABLE.iter().filter(applies)) {
        assert_eq!(row, expected, "a row of the table of error kinds");
    }
    assert_eq!(rows.len(), TABLE.len(), "every row was tried");
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
}

impl Table {
    fn set_up<T>(&mut self, what: &'static str, result: Result<T, Error>) {
        let error = result.err().unwrap_or_else(|| panic!("{what}: must fail"));
        self.rows.push((what, error.kind(), error.raw_os_error()));
    }

    fn handle<T>(&mut self, what: &'static str, result: io::Result<T>) {
        let error = result.err().unwrap_or_else(|| panic!("{what}: must fail"));
        self.rows.push((what, error.kind(), error.raw_os_error()));
    }
}

async fn connecting<F: Fixture>(cx: &Context<F>, transport: &TransportOf<F>, table: &mut Table) {
    oracle::leave_stale(&cx.address("stale"));
    fs::write(cx.path("file"), "").expect("it can be written");
    let _datagram = oracle::bind(&cx.address("datagram"), socket2::Type::DGRAM);
    let full = cx.address("full");
    let _listener = oracle::listen_with_backlog(&full, 0);
    let _waiting = oracle::fill(&full);
    let patient = ConnectOptions::new();
    let short = ConnectOptions::new().timeout(Duration::from_millis(5));
    let at_once = ConnectOptions::new().timeout(Duration::ZERO);
    let tries = [
        ("connect: missing", cx.address("missing"), &patient),
        ("connect: missing abstract name", cx.abstract_address("missing"), &patient),
        ("connect: stale", cx.address("stale"), &patient),
        ("connect: directory", Address::path(cx.directory()).expect("it is short"), &patient),
        ("connect: through a file", cx.address("file/s"), &patient),
        ("connect: datagram socket", cx.address("datagram"), &patient),
        ("connect: unnamed", Address::Unnamed, &patient),
        ("connect: full, not waiting", full.clone(), &at_once),
        ("connect: full, deadline", full.clone(), &short),
    ];
    for (what, address, options) in tries {
        table.set_up(what, transport.connect(&address, options).await);
    }
}

async fn listening<F: Fixture>(cx: &Context<F>, transport: &TransportOf<F>, table: &mut Table) {
    fs::create_dir(cx.path("open")).expect("it can be made");
    fs::set_permissions(cx.path("open"), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let plain = ListenOptions::new();
    let tries = [
        ("listen: address in use", cx.address("file"), plain.clone()),
        ("listen: missing directory", cx.address("missing/s"), plain.clone()),
        ("listen: unnamed", Address::Unnamed, plain.clone()),
        ("listen: mode on an abstract name", cx.abstract_address("s"), plain.clone().mode(0o600)),
        ("listen: unsafe directory", cx.address("open/s"), plain.check_parent(true)),
    ];
    for (what, address, options) in tries {
        table.set_up(what, transport.listen(&address, &options));
    }
}

fn adopting<F: Fixture>(cx: &Context<F>, transport: &TransportOf<F>, table: &mut Table) {
    let file = || OwnedFd::from(fs::File::open(cx.path("file")).expect("it is there"));
    let options = AdoptOptions::new();
    table.set_up("adopt: file as listener", transport.adopt_listener(file(), &options));
    table.set_up("adopt: file as connection", transport.adopt_connection(file(), &options));
}

async fn accepting<F: Fixture>(cx: &Context<F>, transport: &TransportOf<F>, table: &mut Table) {
    let listening = transport.listen(&cx.address("s"), &ListenOptions::new());
    let mut listener = listening.expect("the address is free");
    listener.set_accept_deadline(Some(soon()));
    table.handle("accept: deadline", listener.accept().await);
    listener.closer().close();
    table.handle("accept: closed", listener.accept().await);
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(5)
}

async fn reading(transport: &impl Transport, table: &mut Table) {
    let (mut one, mut other) = transport.pair(&AdoptOptions::new()).expect("a pair needs nothing");
    let mut buf = [0; 16];
    one.set_read_deadline(Some(soon()));
    table.handle("read: deadline", one.read(&mut buf).await);
    one.set_read_deadline(None);
    one.write_all(b"unread").await.expect("it is connected");
    drop(other);
    table.handle("read: peer closed with unread data", one.read(&mut buf).await);
    (one, other) = transport.pair(&AdoptOptions::new()).expect("a pair needs nothing");
    one.closer().close();
    table.handle("read: closed", one.read(&mut buf).await);
    drop(other);
}

async fn writing(transport: &impl Transport, table: &mut Table) {
    let (mut one, other) = transport.pair(&AdoptOptions::new()).expect("a pair needs nothing");
    one.set_write_deadline(Some(soon()));
    let full = loop {
        match one.write(&[0; 65536]).await {
            Ok(_) => {}
            full => break full,
        }
    };
    table.handle("write: deadline", full);
    one.set_write_deadline(None);
    drop(other);
    table.handle("write: peer closed", one.write(b"x").await);
    let (mut one, _other) = transport.pair(&AdoptOptions::new()).expect("a pair needs nothing");
    one.closer().close();
    table.handle("write: closed", one.write(b"x").await);
}

async fn descriptors(transport: &impl Transport, table: &mut Table) {
    let (mut one, mut other) = transport.pair(&AdoptOptions::new()).expect("a pair needs nothing");
    other.write_all(b"x").await.expect("it is connected");
    let received = one.read_descriptors(&mut [0; 1]).await;
    table.handle("descriptors: received uninvited", received);
    let null = fs::File::open("/dev/null").expect("every system has it");
    let sent = other.write_descriptors(b"", &[null.as_fd()]).await;
    table.handle("descriptors: sent without a byte", sent);
}
