//! The load: one raw epoll loop, the same for every server, that checks every byte.
//!
//! It uses the standard library's sockets and epoll through nix, and nothing of this project, so
//! that no backend is measured with its own client.

mod pattern;
mod ping_pong;
mod stream;
mod waiter;

pub use ping_pong::PingPong;
pub use stream::Stream;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::output::counted;

/// What the load does to an echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Workload {
    /// Every connection sends a message and waits for its echo, over and over.
    PingPong {
        /// How many connections do so at once.
        connections: usize,
        /// The message's length in bytes, at most [`PingPong::LONGEST`].
        message_bytes: usize,
    },
    /// One connection sends without waiting and reads what comes back.
    Stream {
        /// How much is sent with one call, in bytes.
        chunk_bytes: usize,
    },
}

impl Workload {
    /// Whether there are round trips, and so latencies, to count.
    #[must_use]
    pub fn is_ping_pong(self) -> bool {
        matches!(self, Workload::PingPong { .. })
    }

    /// Opens its connections to the server at `path`.
    ///
    /// # Errors
    /// Those of connecting and of epoll.
    pub fn connect(self, path: &Path) -> io::Result<Load> {
        match self {
            Workload::PingPong { connections, message_bytes } => {
                PingPong::connect(path, connections, message_bytes).map(Load::PingPong)
            }
            Workload::Stream { chunk_bytes } => {
                Stream::connect(path, chunk_bytes).map(Load::Stream)
            }
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Workload::PingPong { connections, message_bytes } => {
                write!(f, "{}, {message_bytes} B", counted(connections as u64, "connection"))
            }
            Workload::Stream { chunk_bytes } => {
                write!(f, "stream, {} KiB chunks", chunk_bytes / 1024)
            }
        }
    }
}

/// A workload's open connections to one server, quiet between its slices.
#[derive(Debug)]
pub enum Load {
    /// See [`Workload::PingPong`].
    PingPong(PingPong),
    /// See [`Workload::Stream`].
    Stream(Stream),
}

impl Load {
    /// Loads the server for `length`, then waits until everything that was sent has come back.
    /// Latencies are recorded in nanoseconds.
    ///
    /// # Errors
    /// `InvalidData` if a byte differs, `UnexpectedEof` if the server closes, `TimedOut` if it
    /// does not answer for seconds; those of reading, writing and epoll.
    pub fn run(&mut self, length: Duration, latencies: &mut Histogram<u64>) -> io::Result<Volume> {
        match self {
            Load::PingPong(load) => load.run(length, latencies),
            Load::Stream(load) => load.run(length),
        }
    }
}

/// How much went to the server and came back, verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Messages of a ping-pong, chunks of a stream.
    pub messages: u64,
    /// Their bytes, counted once.
    pub bytes: u64,
}

/// The error of an echo that is not what was sent.
fn differs(connection: usize, message: u64) -> io::Error {
    let text =
        format!("echoed bytes differ from those sent (connection {connection}, message {message})");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The error of a server that went away under load.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it closed a connection under load")
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const WORKLOADS: [Workload; 2] = [
        Workload::PingPong { connections: 1, message_bytes: 64 },
        Workload::Stream { chunk_bytes: 4096 },
    ];

    /// What a load finds at a server that has `change` echoed instead, which `false` ends.
    fn error_of(workload: Workload, change: fn(&mut [u8]) -> bool) -> io::ErrorKind {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a new path");
        let mut load = workload.connect(&path).expect("it listens");
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut buffer = [0; 4096];
                while let Ok(received @ 1..) = stream.read(&mut buffer) {
                    if !change(&mut buffer[..received])
                        || stream.write_all(&buffer[..received]).is_err()
                    {
                        return;
                    }
                }
            });
            let mut latencies = Histogram::new(3).expect("legal digits");
            let error = load.run(Duration::from_millis(50), &mut latencies).map(drop);
            // Ends the server.
            drop(load);
            error.expect_err("the echo is wrong").kind()
        })
    }

    #[test]
    fn one_wrong_byte_is_found() {
        for workload in WORKLOADS {
            let flipped = error_of(workload, |bytes| {
                *bytes.last_mut().expect("not empty") ^= 1;
                true
            });
            assert_eq!(flipped, io::ErrorKind::InvalidData, "{workload}");
        }
    }

    #[test]
    fn a_server_that_goes_away_is_found() {
        for workload in WORKLOADS {
            let error = error_of(workload, |_| false);
            let gone = [
                io::ErrorKind::UnexpectedEof,
                io::ErrorKind::ConnectionReset,
                io::ErrorKind::BrokenPipe,
            ];
            assert!(gone.contains(&error), "{workload}: {error}");
        }
    }
}
