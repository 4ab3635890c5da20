//! Messages at a rate: each has its time, and is late if the server is.
//!
//! A load that waits for an echo before it sends the next message is slowed by a slow server, and
//! then records one long latency where users would have met thousands ("coordinated omission").
//! Here the clock alone decides when a message is due, and its latency begins then, even if it
//! could not be sent yet.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Volume;
use super::group::Group;

/// Until when before the next message this thread sleeps; from then on it asks again and again.
/// It has its core to itself, and a sleeping core takes tens of microseconds to wake.
const SPIN: Duration = Duration::from_millis(1);

const SECOND: u128 = 1_000_000_000;

/// The open connections of an open loop.
#[derive(Debug)]
pub struct OpenLoop {
    group: Group,
    message: u64,
    per_second: u64,
}

impl OpenLoop {
    /// Opens the connections.
    pub(super) fn connect(
        path: &Path,
        connections: usize,
        message: usize,
        per_second: u64,
    ) -> io::Result<OpenLoop> {
        let group = Group::open(path, connections, message)?;
        Ok(OpenLoop { group, message: message as u64, per_second })
    }

    /// See [`Load::run`](super::Load::run).
    pub(super) fn run(
        &mut self,
        length: Duration,
        latencies: &mut Histogram<u64>,
    ) -> io::Result<Volume> {
        let begin = Instant::now();
        let total = self.due_within(length).max(1);
        let (mut issued, mut back) = (0, 0);
        while back < total {
            let due = (self.due_within(begin.elapsed()) + 1).min(total);
            if due > issued {
                self.issue(begin, issued..due)?;
                issued = due;
            }
            let events = match issued < total {
                true => {
                    let next =
                        (begin + self.time_of(issued)).saturating_duration_since(Instant::now());
                    self.group.wait_at_most(next.saturating_sub(SPIN))?
                }
                false => self.group.wait()?,
            };
            for event in 0..events {
                back += self.group.handle(event, latencies)?.messages;
            }
        }
        Ok(Volume { messages: back, bytes: back * self.message })
    }

    /// Sends these messages, on each connection in turn; several on one connection go together.
    fn issue(&mut self, begin: Instant, messages: std::ops::Range<u64>) -> io::Result<()> {
        let connections = self.group.len() as u64;
        // Lossless: below the number of connections.
        let which = |message: u64| (message % connections) as usize;
        for message in messages.clone() {
            self.group.queue(which(message), begin + self.time_of(message));
        }
        for message in messages.take(self.group.len()) {
            self.group.flush(which(message))?;
        }
        Ok(())
    }

    /// When message `number` is due, from the begin.
    fn time_of(&self, number: u64) -> Duration {
        let nanoseconds = u128::from(number) * SECOND / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// How many whole intervals between two messages there are in `time`.
    fn due_within(&self, time: Duration) -> u64 {
        let messages = time.as_nanos() * u128::from(self.per_second) / SECOND;
        u64::try_from(messages).unwrap_or(u64::MAX)
    }
}
