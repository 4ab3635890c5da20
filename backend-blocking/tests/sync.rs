//! The synchronous face over real sockets: what it shares with the other faces is the conformance
//! suite's; here is what only it has, blocking calls and threads that are woken.

use std::fs;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use backend_blocking::sync::{self, Connection, Listener};
use transport_core::{
    Address, AdoptOptions, Backend as _, Cause, ConnectOptions, Descriptors, ListenOptions,
    Listener as _, PeerAddress, PollRead as _, PollWrite as _, Runtime, Settings, is_closed,
};

const SHORT: Duration = Duration::from_millis(30);
const WATCHDOG: Duration = Duration::from_secs(20);

/// An abstract name that no other test has.
fn address() -> Address {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("\0unix-transport-sync-{}-{number}", std::process::id());
    Address::abstract_name(name).expect("legal")
}

fn listen(at: &Address) -> Listener {
    sync::listen(at, &ListenOptions::new()).expect("listens")
}

fn connect(to: &Address) -> Connection {
    sync::connect(to, &ConnectOptions::new()).expect("connects")
}

fn pair() -> (Connection, Connection) {
    sync::pair(&AdoptOptions::new()).expect("a pair")
}

/// Runs `wait` on a thread of its own, `wake` once that thread sleeps, and answers what `wait`
/// came to. A thread that is never woken fails the test.
fn woken<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static, wake: impl FnOnce()) -> T {
    let (name, named) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || {
        let task = fs::read_link("/proc/thread-self").expect("Linux has it");
        name.send(PathBuf::from("/proc").join(task).join("stat")).expect("awaited");
        answer.send(wait()).expect("awaited");
    });
    let stat = named.recv().expect("sent first");
    let started = Instant::now();
    while !fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S ")) {
        assert!(started.elapsed() < WATCHDOG, "the thread does not wait");
        thread::yield_now();
    }
    wake();
    answered.recv_timeout(WATCHDOG).expect("the thread is woken")
}

/// Writes until there is no room. The connection has a write timeout after that.
fn fill(connection: &Connection) {
    connection.set_write_timeout(Some(SHORT)).expect("set");
    let error = loop {
        if let Err(e) = (&*connection).write(&[0; 65_536]) {
            break e;
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn echo_and_end_of_stream() {
    let at = address();
    let listener = listen(&at);
    assert_eq!(listener.local_address(), &at);
    let mut client = connect(&at);
    let (server, peer) = listener.accept().expect("accepted");
    assert_eq!(peer, PeerAddress::Unnamed);
    let echo = thread::spawn(move || {
        let copied = std::io::copy(&mut &server, &mut &server).expect("echoed");
        server.close_write().expect("closed");
        copied
    });
    let data: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    let mut came = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&data).expect("written");
            client.close_write().expect("closed");
        });
        (&client).read_to_end(&mut came).expect("read");
    });
    assert!(came == data);
    assert_eq!(echo.join().expect("no panic"), 1_000_000);
    assert_eq!(client.read(&mut [0; 8]).expect("still the end"), 0);
}

#[test]
fn nothing_is_nothing() {
    let (mut one, _other) = pair();
    assert_eq!(one.read(&mut []).expect("does not wait"), 0);
    assert_eq!(one.write(&[]).expect("writes nothing"), 0);
    assert_eq!(one.write_vectored(&[IoSlice::new(&[])]).expect("writes nothing"), 0);
    assert_eq!(one.read_vectored(&mut [IoSliceMut::new(&mut [])]).expect("does not wait"), 0);
}

#[test]
fn vectored_skips_empty_slices_and_takes_any_number() {
    let (mut one, mut other) = pair();
    let bytes: Vec<u8> = (0..3000_u32).map(|n| n as u8).collect();
    let empty = std::iter::repeat_n(IoSlice::new(&[]), 1100);
    let slices: Vec<_> = empty.chain(bytes.chunks(1).map(IoSlice::new)).collect();
    assert_eq!(one.write_vectored(&slices).expect("written"), 1024);
    one.write_all(&bytes[1024..]).expect("written");
    let mut came = vec![0; 3000];
    let mut slices: Vec<_> = (0..2000).map(|_| IoSliceMut::new(&mut [])).collect();
    slices.extend(came.chunks_mut(2).map(IoSliceMut::new));
    assert_eq!(other.read_vectored(&mut slices).expect("read"), 2048);
    other.read_exact(&mut came[2048..]).expect("read");
    assert!(came == bytes);
}

#[test]
fn halves_are_independent_and_close_their_direction() {
    let (one, mut other) = pair();
    let (mut read, mut write) = one.split();
    write.write_all(b"to the end").expect("written");
    drop(write);
    let mut text = String::new();
    other.read_to_string(&mut text).expect("read");
    assert_eq!(text, "to the end");
    other.write_all(b"back").expect("the reverse goes on");
    assert_eq!(read.queued().expect("counted"), 4);
    let mut back = [0; 4];
    read.read_exact(&mut back).expect("read");
    assert_eq!(&back, b"back");
    drop(read);
    let error = other.write(b"x").expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn closing_wakes_a_read_and_ends_everything() {
    let (one, mut other) = pair();
    let closer = one.closer();
    let (one, error) = woken(
        move || {
            let error = (&one).read(&mut [0; 8]).expect_err("closed");
            (one, error)
        },
        || closer.close(),
    );
    assert!(is_closed(&error) && closer.is_closed());
    closer.close();
    assert!(is_closed(&(&one).read(&mut [0; 8]).expect_err("closed")));
    assert!(is_closed(&(&one).write(b"x").expect_err("closed")));
    assert_eq!(other.read(&mut [0; 8]).expect("the peer sees the end"), 0);
    assert!(is_closed(&one.into_fd().expect_err("closed")));
    closer.close();
}

#[test]
fn closing_wakes_a_write() {
    let (one, _other) = pair();
    fill(&one);
    one.set_write_timeout(None).expect("set");
    let closer = one.closer();
    let write = move || (&one).write(b"x").map(drop);
    let error = woken(write, || closer.close()).expect_err("closed");
    assert!(is_closed(&error), "{error}");
}

#[test]
fn draining_a_connection_wakes_its_read_with_the_end() {
    let (one, mut other) = pair();
    let closer = one.closer();
    let end = woken(move || (&one).read(&mut [0; 8]).map(|end| (end, one)), || closer.drain());
    let (end, mut one) = end.expect("no error");
    assert_eq!(end, 0);
    assert_eq!(other.write(b"x").expect_err("no more").kind(), ErrorKind::BrokenPipe);
    one.write_all(b"the other direction goes on").expect("written");
}

#[test]
fn timeouts_have_one_kind_and_can_be_unset() {
    let (mut one, other) = pair();
    one.set_read_timeout(Some(SHORT)).expect("set");
    let started = Instant::now();
    assert_eq!(one.read(&mut [0; 8]).expect_err("nothing comes").kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() >= SHORT);
    fill(&one);
    let zero = one.set_read_timeout(Some(Duration::ZERO)).expect_err("would be for ever");
    assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    one.set_read_timeout(None).expect("set");
    let read =
        woken(move || one.read(&mut [0; 8]), || (&other).write_all(b"abc").expect("written"));
    assert_eq!(read.expect("read"), 3);
}

#[test]
fn closing_wakes_all_accepts() {
    let listener = listen(&address());
    let closer = listener.closer();
    let (first, second) = (listener.share(), listener.share());
    let error = woken(
        move || {
            let one = thread::spawn(move || first.accept().expect_err("closed"));
            let other = second.accept().expect_err("closed");
            (one.join().expect("no panic"), other)
        },
        || closer.close(),
    );
    assert!(is_closed(&error.0) && is_closed(&error.1));
    assert!(is_closed(&listener.accept().expect_err("closed")));
    listener.acceptable().expect("a closed listener is ready");
    assert!(listener.incoming().next().is_none());
}

#[test]
fn a_connection_wakes_an_accept() {
    let at = address();
    let listener = listen(&at);
    let accept = move || listener.accept().map(|(connection, _)| connection);
    let mut server =
        woken(accept, || connect(&at).write_all(b"hi").expect("written")).expect("accepted");
    let mut text = String::new();
    server.read_to_string(&mut text).expect("read");
    assert_eq!(text, "hi");
}

#[test]
fn accept_deadlines() {
    let at = address();
    let mut listener = listen(&at);
    listener.set_accept_timeout(Some(SHORT));
    assert_eq!(listener.accept().expect_err("nobody").kind(), ErrorKind::TimedOut);
    assert_eq!(listener.acceptable().expect_err("nobody").kind(), ErrorKind::TimedOut);
    let past = Instant::now();
    assert_eq!(listener.accept_until(past).expect_err("nobody").kind(), ErrorKind::TimedOut);
    let _client = connect(&at);
    listener.acceptable().expect("one waits");
    listener.acceptable().expect("nothing was taken");
    listener.accept_until(past).expect("one waits already");
    listener.accept().expect_err("it was the only one");
}

#[test]
fn draining_delivers_what_waits_then_closes() {
    let at = address();
    let listener = listen(&at);
    let clients = [connect(&at), connect(&at)];
    listener.closer().drain();
    let error = sync::connect(&at, &ConnectOptions::new()).expect_err("no more");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let accepted: Vec<_> = listener.incoming().map(|next| next.expect("accepted")).collect();
    assert_eq!(accepted.len(), clients.len());
    assert!(is_closed(&listener.accept().expect_err("drained")));
    assert!(listener.closer().is_closed());
}

#[test]
fn a_full_backlog_is_waited_for_as_long_as_asked() {
    let at = address();
    let options = ListenOptions::new().backlog(0);
    let listener = sync::listen(&at, &options).expect("listens");
    let _queued = connect(&at);
    let waiting = |limit| ConnectOptions::new().timeout(limit);
    let error = sync::connect(&at, &waiting(Duration::ZERO)).expect_err("full");
    assert!(matches!(error.cause(), Cause::BacklogFull));
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let started = Instant::now();
    let error = sync::connect(&at, &waiting(SHORT)).expect_err("full");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() >= SHORT);
    let to = at.clone();
    let client = woken(
        move || sync::connect(&to, &waiting(WATCHDOG)),
        || {
            listener.accept().expect("the first");
        },
    );
    let (mut server, _) = listener.accept().expect("the second");
    let mut client = client.expect("connected");
    // The timeout was for connecting only: this write waits for ever if it must.
    let timeout = socket2::SockRef::from(&client).write_timeout().expect("asked");
    assert_eq!(timeout, None);
    client.write_all(b"x").expect("written");
    server.read_exact(&mut [0]).expect("read");
}

#[test]
fn descriptors_are_refused_unless_allowed() {
    let (one, _other) = pair();
    let error = one.read_descriptors(&mut [0; 8]).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported);

    let allowed = AdoptOptions::new().descriptors(Descriptors::Accept { limit: 1 });
    let (one, mut other) = sync::pair(&allowed).expect("a pair");
    one.write_descriptors(b"ab", &[one.as_fd()]).expect("written");
    let (count, mut came) = other.read_descriptors(&mut [0; 8]).expect("read");
    assert_eq!((count, came.len()), (2, 1));
    let passed = came.pop().expect("one");
    let mut passed = sync::adopt_connection(passed, &allowed).expect("a connection");
    passed.write_all(b"through the passed one").expect("written");
    let mut buf = [0; 64];
    assert_eq!(other.read(&mut buf).expect("read"), 22);
}

#[test]
fn bytes_of_a_refused_message_stay() {
    let allowed = AdoptOptions::new().descriptors(Descriptors::Accept { limit: 1 });
    let (one, mut other) = sync::pair(&allowed).expect("a pair");
    one.write_descriptors(b"abcd", &[one.as_fd(), one.as_fd()]).expect("written");
    let error = other.read_descriptors(&mut [0; 8]).expect_err("over the limit");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(other.queued().expect("counted"), 4);
    let mut buf = [0; 1];
    assert_eq!(other.read(&mut buf).expect("read"), 1);
    assert_eq!(&buf, b"a");
    let (fd, rest) = other.into_fd().expect("open");
    assert_eq!(&*rest, b"bcd");
    assert!(sync::adopt_connection(fd, &allowed).is_ok());
}

#[test]
fn the_faces_convert_into_each_other() {
    let mut runtime =
        Runtime::<backend_blocking::Blocking>::new(&Settings::default()).expect("opens");
    assert!(backend_blocking::Blocking::probe().is_yes());
    let transport = runtime.transport().clone();
    let options = AdoptOptions::new();
    let (one, other) = sync::pair(&options).expect("a pair");
    let (mut driven, received) = other.onto(&transport, &options).expect("converts");
    assert!(received.is_empty());
    (&one).write_all(b"there").expect("connected");
    let back = runtime.block_on(async {
        let mut buf = [0; 5];
        driven.read_exact(&mut buf).await.expect("it comes");
        assert_eq!(&buf, b"there");
        driven.write_all(b"back").await.expect("connected");
        sync::Connection::of(driven, &options).await.expect("converts back")
    });
    let mut buf = [0; 4];
    (&one).read_exact(&mut buf).expect("it comes");
    assert_eq!(&buf, b"back");
    (&back).write_all(b"!").expect("connected");

    let address = address();
    let listener = sync::listen(&address, &ListenOptions::new()).expect("it is free");
    let mut driven = listener.onto(&transport).expect("converts");
    let third = sync::Listener::of(&driven).expect("converts back");
    let client = sync::connect(&address, &ConnectOptions::new()).expect("it listens");
    runtime.block_on(driven.accept()).expect("a client waits");
    third.closer().close();
    let error = runtime.block_on(driven.accept()).expect_err("one closed state");
    assert!(is_closed(&error));
    drop(client);
}
