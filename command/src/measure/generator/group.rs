//! Connections that stay open: how they are opened, and what they have in common.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::connection::Connection;
use super::latencies;
use super::waiter::{PATIENCE, Waiter};
use crate::buffer::Buffer;

/// How much is written or read at once, in bytes, at most.
const BUFFER: usize = 256 * 1024;

/// How long to wait before the server is asked again whether its backlog has room.
pub(super) const RETRY: Duration = Duration::from_millis(1);

/// Open connections, numbered from 0, and one epoll instance for all of them.
#[derive(Debug)]
pub(super) struct Group {
    waiter: Waiter,
    connections: Vec<Connection>,
    buffer: Buffer,
}

/// What an event of one connection brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echoed {
    /// Of which connection.
    pub(super) which: usize,
    /// How many messages are back.
    pub(super) messages: u64,
    /// When that was seen.
    pub(super) now: Instant,
}

impl Group {
    /// Opens `count` connections and has one message echoed on each, so that the server has
    /// accepted all of them.
    ///
    /// # Errors
    /// `TimedOut` if the backlog stays full, or it does not answer, for [`PATIENCE`].
    pub(super) fn open(path: &Path, count: usize, message: usize) -> io::Result<Group> {
        let waiter = Waiter::new(count)?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            connections.push(open_patiently(path, &waiter, number, message)?);
        }
        let mut group = Group { waiter, connections, buffer: buffer(message) };
        let mut unused = latencies::histogram()?;
        for which in 0..count {
            group.send(which, 1, Instant::now())?;
        }
        let mut in_flight = count as u64;
        while in_flight > 0 {
            for event in 0..group.wait()? {
                in_flight -= group.handle(event, &mut unused)?.messages;
            }
        }
        Ok(group)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Adds a message, which began at `begun`, to what [`Group::flush`] sends.
    pub(super) fn queue(&mut self, which: usize, begun: Instant) {
        self.connections[which].queue(begun);
    }

    /// Sends what is queued on one connection.
    pub(super) fn flush(&mut self, which: usize) -> io::Result<()> {
        self.connections[which].flush(&self.waiter, &mut self.buffer)
    }

    /// Sends messages that begin now with one call, if the socket has room.
    pub(super) fn send(&mut self, which: usize, messages: u64, now: Instant) -> io::Result<()> {
        for _ in 0..messages {
            self.queue(which, now);
        }
        self.flush(which)
    }

    /// As [`Waiter::wait`].
    pub(super) fn wait(&mut self) -> io::Result<usize> {
        self.waiter.wait()
    }

    /// As [`Waiter::wait_at_most`].
    pub(super) fn wait_at_most(&mut self, time: Duration) -> io::Result<usize> {
        self.waiter.wait_at_most(time)
    }

    /// Does what an event of the last wait asks for.
    pub(super) fn handle(
        &mut self,
        event: usize,
        latencies: &mut Histogram<u64>,
    ) -> io::Result<Echoed> {
        let (which, happened) = self.waiter.event(event);
        let connection = &mut self.connections[which];
        let handled = connection.handle(happened, &self.waiter, &mut self.buffer, latencies);
        let (messages, now) = handled?;
        Ok(Echoed { which, messages, now })
    }
}

/// A buffer that serves messages of this length well, many at a time.
pub(super) fn buffer(message: usize) -> Buffer {
    Buffer::of(message.saturating_mul(64).clamp(4 * 1024, BUFFER))
}

fn open_patiently(
    path: &Path,
    waiter: &Waiter,
    number: usize,
    message: usize,
) -> io::Result<Connection> {
    let begin = Instant::now();
    loop {
        if let Some(connection) = Connection::open(path, waiter, number, number as u64, message)? {
            return Ok(connection);
        }
        if begin.elapsed() > PATIENCE {
            return Err(not_accepting());
        }
        thread::sleep(RETRY);
    }
}

/// The error of a server whose backlog stays full.
pub(super) fn not_accepting() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it does not accept: its backlog stays full")
}
