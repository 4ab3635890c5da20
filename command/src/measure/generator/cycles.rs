//! Connect, one echo, close, and again: what a connection costs that is not kept.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Volume;
use super::connection::Connection;
use super::group::{RETRY, buffer, not_accepting};
use super::latencies::histogram;
use super::waiter::{PATIENCE, Waiter, silent};
use crate::buffer::Buffer;

/// Connections that come and go. Between two slices there are none.
#[derive(Debug)]
pub struct Cycles {
    path: PathBuf,
    waiter: Waiter,
    /// The connections of now; a place of which is their token.
    places: Vec<Option<Connection>>,
    buffer: Buffer,
    message: usize,
    /// How many connections there were.
    opened: u64,
}

impl Cycles {
    /// Makes one cycle in each place, so that the server is known to serve so many at a time.
    pub(super) fn connect(path: &Path, at_a_time: usize, message: usize) -> io::Result<Cycles> {
        let mut cycles = Cycles {
            path: path.to_owned(),
            waiter: Waiter::new(at_a_time)?,
            places: (0..at_a_time).map(|_| None).collect(),
            buffer: buffer(message),
            message,
            opened: 0,
        };
        cycles.run(Duration::ZERO, &mut histogram()?)?;
        Ok(cycles)
    }

    /// See [`Load::run`](super::Load::run). A latency is that of a whole cycle: from when the
    /// connection was wanted to its echo.
    pub(super) fn run(
        &mut self,
        length: Duration,
        latencies: &mut Histogram<u64>,
    ) -> io::Result<Volume> {
        let begin = Instant::now();
        let end = begin + length;
        let (mut messages, mut open) = (0, 0);
        // Places whose connection is wanted, since when.
        let mut wanted: VecDeque<_> = (0..self.places.len()).map(|place| (place, begin)).collect();
        let mut progress = begin;
        while open > 0 || !wanted.is_empty() {
            while let Some(&(place, since)) = wanted.front() {
                if !self.open(place, since)? {
                    break;
                }
                wanted.pop_front();
                open += 1;
                progress = Instant::now();
            }
            // Nothing tells when a full backlog has room again.
            let blocked = !wanted.is_empty();
            let events = self.waiter.wait_at_most(if blocked { RETRY } else { PATIENCE })?;
            if events == 0 && progress.elapsed() >= PATIENCE {
                return Err(if open > 0 { silent() } else { not_accepting() });
            }
            for event in 0..events {
                let Some((place, now)) = self.handle(event, latencies)? else { continue };
                messages += 1;
                open -= 1;
                progress = now;
                if now < end {
                    wanted.push_back((place, now));
                }
            }
        }
        Ok(Volume { messages, bytes: messages * self.message as u64 })
    }

    /// Connects and sends; `false` if the server's backlog is full.
    fn open(&mut self, place: usize, since: Instant) -> io::Result<bool> {
        let (number, message) = (self.opened, self.message);
        let opened = Connection::open(&self.path, &self.waiter, place, number, message)?;
        let Some(mut connection) = opened else { return Ok(false) };
        connection.queue(since);
        connection.flush(&self.waiter, &mut self.buffer)?;
        self.opened += 1;
        self.places[place] = Some(connection);
        Ok(true)
    }

    /// Does what an event asks for. If the echo is complete it closes the connection, and answers
    /// its place and the time.
    fn handle(
        &mut self,
        event: usize,
        latencies: &mut Histogram<u64>,
    ) -> io::Result<Option<(usize, Instant)>> {
        let (place, happened) = self.waiter.event(event);
        let Some(connection) = &mut self.places[place] else { return Ok(None) };
        let handled = connection.handle(happened, &self.waiter, &mut self.buffer, latencies);
        let (messages, now) = handled?;
        if messages == 0 {
            return Ok(None);
        }
        self.places[place] = None;
        Ok(Some((place, now)))
    }
}
