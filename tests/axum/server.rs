//! A running server: where it lives, and how it ends.

use std::future::IntoFuture as _;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use unix_transport::adapters::Peer;
use unix_transport::adapters::axum::{AxumListener, serve_router};
use unix_transport::embed::nested::Nested;
use unix_transport::embed::thread::DriverThread;
use unix_transport::{
    Address, AnyListener, Auto, Closer, Driver, ListenOptions, Listener as _, Runtime, Settings,
    Transport as _, backends, select,
};

use crate::app::App;
use crate::skip;

/// How long anything may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What moves the sockets.
#[derive(Clone, Copy)]
pub(crate) enum Host {
    /// `axum::serve` in a tokio runtime of several threads, with the driver nested in it where
    /// that is possible, and on a thread of its own where it is not (blocking).
    Tokio,
    /// `serve_router` on our own runtime, without tokio.
    Runtime,
}

/// A server in threads of its own.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) closer: Closer,
    directory: TempDir,
    /// `None` once it was waited for.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Host {
    /// Runs `case` against a server with `backend`, if it works here, and ends the server.
    pub(crate) fn serve(self, backend: &str, case: fn(&mut Server)) {
        let known = backends();
        let (_, availability) = known.iter().find(|(name, _)| *name == backend).expect("a name");
        if !availability.is_yes() {
            return skip(format_args!("{backend} is unavailable: {availability}"));
        }
        let mut server = Server::start(self, backend);
        case(&mut server);
        server.stop();
    }
}

impl Server {
    fn start(host: Host, backend: &str) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let address = Address::path(directory.path().join("socket")).expect("a short path");
        let selection = select(backend, &Settings::default()).expect("it was probed");
        let listener = selection.transport.listen(&address, &ListenOptions::new());
        let listener = listener.expect("a new directory");
        let (app, closer) = (App::new(), listener.closer());
        let router = app.router();
        let thread = thread::spawn(move || match host {
            Host::Tokio => in_tokio(selection.driver, listener, router),
            Host::Runtime => {
                let mut runtime =
                    Runtime::<Auto>::from_parts(selection.transport, selection.driver);
                runtime.block_on(serve_router(runtime.handle(), listener, router))
            }
        });
        Server { app, closer, directory, thread: Some(thread) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new client, on which nothing waits for ever.
    pub(crate) fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.path()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a legal timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a legal timeout");
        Client::new(stream)
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut client = self.connect();
        client.ask(path);
        client.answer()
    }

    /// Drains the listener, and waits until the server has ended.
    pub(crate) fn stop(&mut self) {
        self.closer.drain();
        let ended = self.thread.take().expect("it is stopped once").join();
        ended.expect("no panic").expect("no error");
    }
}

fn in_tokio(
    driver: Box<dyn Driver>,
    listener: AnyListener,
    router: axum::Router,
) -> io::Result<()> {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    threads?.block_on(async {
        let mut listener = AxumListener::new(listener);
        let ended = listener.ended();
        let service = router.into_make_service_with_connect_info::<Peer>();
        let serving = axum::serve(listener, service)
            .with_graceful_shutdown(async { ended.await.expect("it was drained") });
        let serving = tokio::spawn(serving.into_future());
        match driver.wait_fd() {
            Some(_) => tokio::select! {
                served = serving => served?,
                failed = Nested::new(driver)?.run() => match failed? {},
            },
            None => {
                let driver = DriverThread::start(driver)?;
                serving.await??;
                driver.stop()
            }
        }
    })
}

/// An HTTP/1 client by hand.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    /// What was read and belongs to the next answer.
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn new(stream: UnixStream) -> Client {
        Client { stream, unread: Vec::new() }
    }

    /// Sends a request for `path`.
    pub(crate) fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
        self.stream.write_all(request.as_bytes()).expect("it is served");
    }

    /// The body of the next answer, which must be a good one of known length.
    pub(crate) fn answer(&mut self) -> String {
        let head = self.read_until("the head", |read| {
            read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
        });
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        self.read_until("the body", |read| (read.len() >= length).then_some(length))
    }

    /// One read; a timeout makes it one that a signal can interrupt.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Reads until `end` finds where something ends, and takes that.
    fn read_until(&mut self, what: &str, end: impl Fn(&[u8]) -> Option<usize>) -> String {
        loop {
            if let Some(end) = end(&self.unread) {
                let rest = self.unread.split_off(end);
                let taken = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8(taken).expect("text");
            }
            let mut buffer = [0; 4096];
            let count = self.read(&mut buffer).expect("it is served");
            assert!(count > 0, "the connection ended before {what}");
            self.unread.extend(&buffer[..count]);
        }
    }
}

/// Waits until `done`; a hang is a failure that says what was waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "still waiting until {what}");
        thread::yield_now();
    }
}
