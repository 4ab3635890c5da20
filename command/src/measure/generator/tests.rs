//! Every load against servers that are right, wrong, slow and gone.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use tempfile::TempDir;

use super::{Load, Volume, latencies};
use crate::arguments::Service;
use crate::measure::Workload;

const WORKLOADS: [Workload; 8] = [
    Workload::PingPong { connections: 3, message_bytes: 64, depth: 1 },
    Workload::PingPong { connections: 3, message_bytes: 60, depth: 8 },
    // More than the sockets hold.
    Workload::PingPong { connections: 2, message_bytes: 300_000, depth: 4 },
    Workload::Stream { chunk_bytes: 4096 },
    Workload::Sink { chunk_bytes: 4096 },
    Workload::Cycles { at_a_time: 3, message_bytes: 64 },
    Workload::Idle { idle: 20, active: 3, message_bytes: 64 },
    Workload::OpenLoop { connections: 3, message_bytes: 64, per_second: 20_000 },
];

/// What a server does to the bytes that it sends next, which are an echo or a count, given how many
/// had come before those that they answer; `false` closes the connection instead.
type Change = fn(u64, &mut [u8]) -> bool;

/// A server with a thread for each connection.
struct Server {
    path: PathBuf,
    ends: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
    _directory: TempDir,
}

impl Server {
    fn start(service: Service, change: Change) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a new path");
        let ends = Arc::<AtomicBool>::default();
        let (ending, echoed) = (Arc::clone(&ends), Arc::<AtomicU64>::default());
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, echoed) = (stream.expect("a client"), Arc::clone(&echoed));
                thread::spawn(move || serve(service, stream, change, &echoed));
            }
        });
        Server { path, ends, accepting: Some(accepting), _directory: directory }
    }

    fn load(&self, workload: Workload, length: Duration) -> io::Result<(Volume, Histogram<u64>)> {
        let mut latencies = latencies::histogram()?;
        let mut load = Load::connect(workload, &self.path)?;
        Ok((load.run(length, &mut latencies)?, latencies))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes it; if it is gone, it needs no waking.
        _ = UnixStream::connect(&self.path);
        self.accepting.take().map(JoinHandle::join);
    }
}

fn serve(service: Service, stream: UnixStream, change: Change, before: &AtomicU64) {
    match service {
        Service::Echo => echo(stream, change, before),
        Service::Sink => sink(stream, change, before),
    }
}

/// Counts to the end of the stream, then answers.
fn sink(mut stream: UnixStream, change: Change, counted: &AtomicU64) {
    let count = io::copy(&mut stream, &mut io::sink()).expect("it is a stream");
    let mut answer = count.to_le_bytes();
    if change(counted.fetch_add(count, Ordering::Relaxed), &mut answer) {
        _ = stream.write_all(&answer); // the load may have left
    }
}

fn echo(mut stream: UnixStream, change: Change, echoed: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(received @ 1..) = stream.read(&mut buffer) {
        let before = echoed.fetch_add(received as u64, Ordering::Relaxed);
        let right = change(before, &mut buffer[..received]);
        if !right || stream.write_all(&buffer[..received]).is_err() {
            return;
        }
    }
}

/// What `workload` finds at such a server.
fn error_of(workload: Workload, change: Change) -> io::ErrorKind {
    let server = Server::start(workload.service(), change);
    let found = server.load(workload, Duration::from_millis(50));
    found.map(|(volume, _)| volume).expect_err("the echo is wrong").kind()
}

/// How many bytes come back unchanged where the fault is to show during the slice: more than the
/// connections echo when they are opened, but for messages that are long.
const LATER: u64 = 2_000;

#[test]
fn what_comes_back_is_counted() {
    for workload in WORKLOADS {
        let server = Server::start(workload.service(), |_, _| true);
        let (volume, latencies) =
            server.load(workload, Duration::from_millis(50)).expect("it serves");
        let bytes = match workload {
            Workload::PingPong { message_bytes, .. }
            | Workload::Cycles { message_bytes, .. }
            | Workload::Idle { message_bytes, .. }
            | Workload::OpenLoop { message_bytes, .. } => message_bytes,
            Workload::Stream { chunk_bytes } | Workload::Sink { chunk_bytes } => chunk_bytes,
        };
        assert_eq!(volume.bytes, volume.messages * bytes as u64, "{workload}");
        assert!(volume.messages >= workload.active_connections() as u64, "{workload}");
        let timed = if workload.has_round_trips() { volume.messages } else { 0 };
        assert_eq!(latencies.len(), timed, "{workload}");
    }
}

#[test]
fn one_wrong_byte_is_found() {
    let at_once: Change = |_, bytes| {
        *bytes.last_mut().expect("not empty") ^= 1;
        true
    };
    let later: Change = |before, bytes| {
        *bytes.last_mut().expect("not empty") ^= u8::from(before > LATER);
        true
    };
    for workload in WORKLOADS {
        for change in [at_once, later] {
            assert_eq!(error_of(workload, change), io::ErrorKind::InvalidData, "{workload}");
        }
    }
}

#[test]
fn a_server_that_goes_away_is_found() {
    let at_once: Change = |_, _| false;
    let later: Change = |before, _| before <= LATER;
    for workload in WORKLOADS {
        for change in [at_once, later] {
            let error = error_of(workload, change);
            let gone = [
                io::ErrorKind::UnexpectedEof,
                io::ErrorKind::ConnectionReset,
                io::ErrorKind::BrokenPipe,
            ];
            assert!(gone.contains(&error), "{workload}: {error}");
        }
    }
}

/// The first error at a server that reads `length` bytes of its one client, sends `answer`, and
/// closes.
fn error_of_sink(length: u64, answer: &[u8]) -> io::Error {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a new path");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut input = (&stream).take(length);
            io::copy(&mut input, &mut io::sink()).expect("it is a stream");
            _ = stream.write_all(answer); // the load may have left
        });
        Load::connect(Workload::Sink { chunk_bytes: 1 << 20 }, &path).expect_err("it is wrong")
    })
}

#[test]
fn a_sink_that_answers_something_else_is_found() {
    let right = (1_u64 << 20).to_le_bytes();
    let more = [right.as_slice(), &[0]].concat();
    let fewer = ((1_u64 << 20) - 1).to_le_bytes();
    let turned = (1_u64 << 20).to_be_bytes();
    for (answer, kind) in [
        (&right[..7], io::ErrorKind::UnexpectedEof),
        (&more[..], io::ErrorKind::InvalidData),
        (&fewer[..], io::ErrorKind::InvalidData),
        (&turned[..], io::ErrorKind::InvalidData),
    ] {
        assert_eq!(error_of_sink(u64::MAX, answer).kind(), kind, "{answer:?}");
    }
}

#[test]
fn a_sink_that_does_not_read_to_the_end_is_found() {
    let error = error_of_sink(1, &(1_u64 << 20).to_le_bytes()).kind();
    let gone = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    assert!(gone.contains(&error), "{error}");
}

/// A listener whose backlog is full, and the connections that fill it.
fn full(path: &Path) -> (UnixListener, Vec<UnixStream>) {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    let fd = fd.expect("a socket");
    bind(fd.as_raw_fd(), &UnixAddr::new(path).expect("a short path")).expect("a new path");
    listen(&fd, Backlog::new(3).expect("a small number")).expect("it is bound");
    let mut filling = Vec::new();
    loop {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
        match connect(client.as_raw_fd(), &UnixAddr::new(path).expect("a short path")) {
            Ok(()) => filling.push(UnixStream::from(client)),
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                return (UnixListener::from(fd), filling);
            }
        }
    }
}

/// All ways of opening connections.
const OPENING: [Workload; 3] = [
    Workload::PingPong { connections: 10, message_bytes: 8, depth: 1 },
    Workload::Cycles { at_a_time: 10, message_bytes: 8 },
    Workload::Sink { chunk_bytes: 8 },
];

#[test]
fn a_full_backlog_is_waited_for() {
    for workload in OPENING {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let (listener, filling) = full(&path);
        let (begin, begun) = mpsc::channel();
        let accepting = thread::spawn(move || {
            begun.recv().expect("the load begins");
            for stream in listener.incoming().take(filling.len() + workload.connections()) {
                let stream = stream.expect("a client");
                let service = workload.service();
                thread::spawn(move || serve(service, stream, |_, _| true, &AtomicU64::new(0)));
            }
        });
        begin.send(()).expect("it waits");
        Load::connect(workload, &path).expect("there is room in the end");
        accepting.join().expect("it ends");
    }
}

#[test]
fn a_server_that_does_not_accept_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    thread::scope(|scope| {
        for (number, workload) in OPENING.into_iter().enumerate() {
            let path = directory.path().join(number.to_string());
            scope.spawn(move || {
                let (_listener, _filling) = full(&path);
                let error = Load::connect(workload, &path).expect_err("there is no room");
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                assert!(error.to_string().contains("it does not accept"), "{error}");
            });
        }
    });
}

#[test]
fn an_open_loop_shows_all_who_wait_for_a_server_that_stalls() {
    const STALL: Duration = Duration::from_millis(50);
    // Once, when half of the messages are through.
    let server = Server::start(Service::Echo, |before, bytes| {
        if (before..before + bytes.len() as u64).contains(&64_000) {
            thread::sleep(STALL);
        }
        true
    });
    let workload = Workload::OpenLoop { connections: 1, message_bytes: 64, per_second: 10_000 };
    let loaded = server.load(workload, Duration::from_millis(200));
    let (volume, latencies) = loaded.expect("it echoes");
    assert_eq!(volume.messages, 2000);
    // A quarter of the messages was due during the stall; a load that waits for each echo would
    // have met one.
    let waited = |quantile| Duration::from_nanos(latencies.value_at_quantile(quantile));
    assert!(Duration::from_nanos(latencies.max()) >= STALL, "{:?}", latencies.max());
    assert!(waited(0.99) >= STALL * 9 / 10, "{:?}", waited(0.99));
    assert!(waited(0.90) >= STALL / 2, "{:?}", waited(0.90));
}

#[test]
fn an_open_loop_keeps_its_schedule() {
    let server = Server::start(Service::Echo, |_, _| true);
    let workload = Workload::OpenLoop { connections: 4, message_bytes: 8, per_second: 1_000_000 };
    let begin = Instant::now();
    let loaded = server.load(workload, Duration::from_millis(20));
    assert_eq!(loaded.expect("it echoes").0.messages, 20_000);
    assert!(begin.elapsed() >= Duration::from_millis(19), "{:?}", begin.elapsed());
}
