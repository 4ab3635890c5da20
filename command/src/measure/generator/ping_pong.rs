//! Ping-pong over many connections: one message of each is in flight at a time.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::sys::epoll::EpollFlags;

use super::waiter::Waiter;
use super::{Volume, closed, differs, pattern};

/// The open connections of a ping-pong.
#[derive(Debug)]
pub struct PingPong {
    waiter: Waiter,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    number: usize,
    sequence: u64,
    sent: Instant,
    message: Vec<u8>,
    echo: Vec<u8>,
    received: usize,
}

impl PingPong {
    /// The longest message in bytes: it must fit into a socket's buffer at once.
    pub const LONGEST: usize = 64 * 1024;

    /// Opens the connections.
    pub(super) fn connect(path: &Path, connections: usize, message: usize) -> io::Result<PingPong> {
        assert!((1..=PingPong::LONGEST).contains(&message), "a message has 1 byte to 64 KiB");
        let waiter = Waiter::new(connections)?;
        let opened: io::Result<Vec<_>> =
            (0..connections).map(|number| Connection::open(path, number, message)).collect();
        let connections = opened?;
        for connection in &connections {
            waiter.add(&connection.stream, EpollFlags::EPOLLIN, connection.number)?;
        }
        Ok(PingPong { waiter, connections })
    }

    /// See [`Load::run`](super::Load::run).
    pub(super) fn run(
        &mut self,
        length: Duration,
        latencies: &mut Histogram<u64>,
    ) -> io::Result<Volume> {
        let end = Instant::now() + length;
        let mut volume = Volume::default();
        for connection in &mut self.connections {
            connection.send()?;
        }
        let mut in_flight = self.connections.len();
        while in_flight > 0 {
            for event in 0..self.waiter.wait()? {
                let connection = &mut self.connections[self.waiter.token(event)];
                if !connection.receive()? {
                    continue;
                }
                volume.messages += 1;
                volume.bytes += connection.message.len() as u64;
                let now = Instant::now();
                // Saturates: a latency beyond the histogram's range counts as its end.
                latencies.saturating_record(nanoseconds(now - connection.sent));
                match now < end {
                    true => connection.send()?,
                    false => in_flight -= 1,
                }
            }
        }
        Ok(volume)
    }
}

impl Connection {
    fn open(path: &Path, number: usize, message: usize) -> io::Result<Connection> {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            number,
            sequence: 0,
            sent: Instant::now(),
            message: vec![0; message],
            echo: vec![0; message],
            received: 0,
        })
    }

    fn send(&mut self) -> io::Result<()> {
        self.sequence += 1;
        pattern::fill(self.number, self.sequence, &mut self.message);
        self.sent = Instant::now();
        match self.stream.write(&self.message)? {
            written if written == self.message.len() => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::WriteZero,
                "a message did not fit into the socket",
            )),
        }
    }

    /// Reads once; whether the echo is complete, and then it is right.
    fn receive(&mut self) -> io::Result<bool> {
        match self.stream.read(&mut self.echo[self.received..])? {
            0 => return Err(closed()),
            count => self.received += count,
        }
        if self.received < self.message.len() {
            return Ok(false);
        }
        self.received = 0;
        match self.echo == self.message {
            true => Ok(true),
            false => Err(differs(self.number, self.sequence)),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
