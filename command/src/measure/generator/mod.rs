//! The load: one raw epoll loop, the same for every server, that checks every byte.
//!
//! It uses the standard library's sockets and epoll through nix, and none of this project's
//! transports, so that no backend is measured with its own client. While servers are measured each has a load in
//! a [process] of its own, which a [`Remote`] starts and releases.

mod connection;
mod cycles;
mod group;
mod latencies;
mod open_loop;
mod pattern;
mod ping_pong;
pub mod process;
mod remote;
mod sink;
mod stream;
#[cfg(test)]
mod tests;
mod waiter;

pub use cycles::Cycles;
pub use open_loop::OpenLoop;
pub use ping_pong::PingPong;
pub use remote::Remote;
pub use sink::Sink;
pub use stream::Stream;

use std::io;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::workload::Workload;

/// A workload's open connections to one server, quiet between its slices.
#[derive(Debug)]
pub enum Load {
    /// See [`Workload::PingPong`] and [`Workload::Idle`].
    PingPong(PingPong),
    /// See [`Workload::Stream`].
    Stream(Stream),
    /// See [`Workload::Sink`].
    Sink(Sink),
    /// See [`Workload::Cycles`].
    Cycles(Cycles),
    /// See [`Workload::OpenLoop`].
    OpenLoop(OpenLoop),
}

impl Load {
    /// Opens the connections of `workload` to the server at `path`, and has one message echoed, or
    /// counted, on each. Blocks until then, but not for ever: a server that does nothing for five
    /// seconds is an error.
    ///
    /// # Errors
    /// `InvalidInput` for a workload without meaning; those of connecting and of [`Load::run`].
    pub fn connect(workload: Workload, path: &Path) -> io::Result<Load> {
        workload.check()?;
        match workload {
            Workload::PingPong { connections, message_bytes, depth } => {
                PingPong::connect(path, connections, 0, message_bytes, depth).map(Load::PingPong)
            }
            Workload::Idle { idle, active, message_bytes } => {
                PingPong::connect(path, active, idle, message_bytes, 1).map(Load::PingPong)
            }
            Workload::Stream { chunk_bytes } => {
                Stream::connect(path, chunk_bytes).map(Load::Stream)
            }
            Workload::Sink { chunk_bytes } => Sink::connect(path, chunk_bytes).map(Load::Sink),
            Workload::Cycles { at_a_time, message_bytes } => {
                Cycles::connect(path, at_a_time, message_bytes).map(Load::Cycles)
            }
            Workload::OpenLoop { connections, message_bytes, per_second } => {
                OpenLoop::connect(path, connections, message_bytes, per_second).map(Load::OpenLoop)
            }
        }
    }

    /// Loads the server for `length`, at least with one message on each connection that is used,
    /// then waits until everything that was sent has come back, or was counted. Latencies are
    /// recorded in nanoseconds.
    ///
    /// # Errors
    /// `InvalidData` if a byte or a count differs, `UnexpectedEof` if the server closes, `TimedOut`
    /// if it does not answer for five seconds; those of reading, writing and epoll.
    pub fn run(&mut self, length: Duration, latencies: &mut Histogram<u64>) -> io::Result<Volume> {
        match self {
            Load::PingPong(load) => load.run(length, latencies),
            Load::Stream(load) => load.run(length),
            Load::Sink(load) => load.run(length),
            Load::Cycles(load) => load.run(length, latencies),
            Load::OpenLoop(load) => load.run(length, latencies),
        }
    }
}

/// How much went to the server and came back, verified; or went to a sink, as it has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Messages, or chunks of a stream, or cycles.
    pub messages: u64,
    /// Their bytes, counted once.
    pub bytes: u64,
}

/// The error of an echo that is not what was sent.
fn differs(connection: u64, message: u64) -> io::Error {
    let text =
        format!("echoed bytes differ from those sent (connection {connection}, message {message})");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The error of a server that went away under load.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it closed a connection under load")
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
