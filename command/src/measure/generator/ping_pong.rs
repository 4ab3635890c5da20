//! Ping-pong over many connections, one message of each or several under way at a time; and the
//! same beside connections that are silent.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Volume;
use super::group::Group;

/// The open connections of a ping-pong.
#[derive(Debug)]
pub struct PingPong {
    group: Group,
    /// How many of the connections play; the others are silent.
    active: usize,
    depth: u64,
    message: u64,
}

impl PingPong {
    /// Opens `active` connections and `idle` more.
    pub(super) fn connect(
        path: &Path,
        active: usize,
        idle: usize,
        message: usize,
        depth: usize,
    ) -> io::Result<PingPong> {
        let group = Group::open(path, active + idle, message)?;
        Ok(PingPong { group, active, depth: depth as u64, message: message as u64 })
    }

    /// See [`Load::run`](super::Load::run).
    pub(super) fn run(
        &mut self,
        length: Duration,
        latencies: &mut Histogram<u64>,
    ) -> io::Result<Volume> {
        let end = Instant::now() + length;
        let mut messages = 0;
        for which in 0..self.active {
            self.group.send(which, self.depth, Instant::now())?;
        }
        let mut in_flight = self.active as u64 * self.depth;
        while in_flight > 0 {
            for event in 0..self.group.wait()? {
                let echoed = self.group.handle(event, latencies)?;
                messages += echoed.messages;
                match echoed.now < end {
                    true => self.group.send(echoed.which, echoed.messages, echoed.now)?,
                    false => in_flight -= echoed.messages,
                }
            }
        }
        Ok(Volume { messages, bytes: messages * self.message })
    }
}
