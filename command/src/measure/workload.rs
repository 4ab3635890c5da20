//! What a load does to an echo or sink server: the things that are compared.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::arguments::Service;
use crate::output::counted;

/// What the load does to a server. Every byte that comes back is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Workload {
    /// Every connection sends messages and answers each echo with the next one.
    PingPong {
        /// How many connections do so at once.
        connections: usize,
        /// The message's length in bytes.
        message_bytes: usize,
        /// How many messages of each connection are under way at a time: 1 is ping-pong. What
        /// replaces several that came back together is written together.
        depth: usize,
    },
    /// One connection sends without waiting and reads what comes back.
    Stream {
        /// How much is sent with one call, in bytes.
        chunk_bytes: usize,
    },
    /// One connection sends without waiting to a sink, which answers how many bytes came. Only that
    /// count can be verified: nobody but the server has seen the bytes.
    Sink {
        /// How much is sent with one call, in bytes.
        chunk_bytes: usize,
    },
    /// Connect, send one message, read its echo, close; over and over.
    Cycles {
        /// How many connections there are at a time.
        at_a_time: usize,
        /// The message's length in bytes.
        message_bytes: usize,
    },
    /// Connections that are silent after their first echo, beside some that play ping-pong.
    Idle {
        /// How many are silent.
        idle: usize,
        /// How many are not.
        active: usize,
        /// The message's length in bytes.
        message_bytes: usize,
    },
    /// Messages are due by the clock, whether or not earlier ones came back, on each connection in
    /// turn. A latency counts from when its message was due, so that a server that stalls shows
    /// all that had to wait.
    OpenLoop {
        /// How many connections share the messages.
        connections: usize,
        /// The message's length in bytes.
        message_bytes: usize,
        /// How many messages are due in a second, in all.
        per_second: u64,
    },
}

impl Workload {
    /// How many connections to one server are open at a time.
    #[must_use]
    pub const fn connections(self) -> usize {
        match self {
            Workload::PingPong { connections, .. } | Workload::OpenLoop { connections, .. } => {
                connections
            }
            Workload::Stream { .. } | Workload::Sink { .. } => 1,
            Workload::Cycles { at_a_time, .. } => at_a_time,
            Workload::Idle { idle, active, .. } => idle + active,
        }
    }

    /// How many of them are used while the server is loaded.
    #[must_use]
    pub const fn active_connections(self) -> usize {
        match self {
            Workload::Idle { active, .. } => active,
            other => other.connections(),
        }
    }

    /// What the server must do.
    #[must_use]
    pub const fn service(self) -> Service {
        match self {
            Workload::Sink { .. } => Service::Sink,
            _ => Service::Echo,
        }
    }

    /// Whether there are round trips, and so latencies, to count: everything but streams, echoed or
    /// not.
    #[must_use]
    pub const fn has_round_trips(self) -> bool {
        !matches!(self, Workload::Stream { .. } | Workload::Sink { .. })
    }

    /// Refuses what has no meaning.
    ///
    /// # Errors
    /// `InvalidInput` if a count, a length or a rate is zero, or the rate above [`FASTEST`].
    pub fn check(self) -> io::Result<()> {
        let (bytes, rate) = match self {
            Workload::PingPong { message_bytes, depth, .. } => (message_bytes.min(depth), 1),
            Workload::Stream { chunk_bytes } | Workload::Sink { chunk_bytes } => (chunk_bytes, 1),
            Workload::Cycles { message_bytes, .. } | Workload::Idle { message_bytes, .. } => {
                (message_bytes, 1)
            }
            Workload::OpenLoop { message_bytes, per_second, .. } => (message_bytes, per_second),
        };
        match self.active_connections() > 0 && bytes > 0 && (1..=FASTEST).contains(&rate) {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a workload of nothing, or too fast: {self:?}"),
            )),
        }
    }
}

/// The highest rate of an open loop in messages per second: one each 100 ns, which no server keeps
/// up with.
pub const FASTEST: u64 = 10_000_000;

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Workload::PingPong { connections, message_bytes, depth } => {
                write!(f, "{}, {message_bytes} B", counted(connections as u64, "connection"))?;
                if depth > 1 { write!(f, ", {depth} deep") } else { Ok(()) }
            }
            Workload::Stream { chunk_bytes } => {
                write!(f, "stream, {} KiB chunks", chunk_bytes / 1024)
            }
            Workload::Sink { chunk_bytes } => {
                write!(f, "stream into a sink, {} KiB chunks", chunk_bytes / 1024)
            }
            Workload::Cycles { at_a_time, message_bytes } => {
                write!(f, "connect, echo, close, {at_a_time} at a time, {message_bytes} B")
            }
            Workload::Idle { idle, active, message_bytes } => {
                write!(f, "{idle} idle, {active} active, {message_bytes} B")
            }
            Workload::OpenLoop { connections, message_bytes, per_second } => {
                let connections = counted(connections as u64, "connection");
                write!(f, "{connections}, {message_bytes} B, {per_second} messages/s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_json() {
        let workload = Workload::OpenLoop { connections: 2, message_bytes: 3, per_second: 1 };
        let text = serde_json::to_string(&workload).expect("it is plain");
        assert_eq!(serde_json::from_str::<Workload>(&text).expect("it was written"), workload);
    }

    #[test]
    fn nothing_is_refused() {
        let nothing = [
            Workload::PingPong { connections: 0, message_bytes: 1, depth: 1 },
            Workload::PingPong { connections: 1, message_bytes: 0, depth: 1 },
            Workload::PingPong { connections: 1, message_bytes: 1, depth: 0 },
            Workload::Stream { chunk_bytes: 0 },
            Workload::Sink { chunk_bytes: 0 },
            Workload::Cycles { at_a_time: 0, message_bytes: 1 },
            Workload::Idle { idle: 1, active: 0, message_bytes: 1 },
            Workload::OpenLoop { connections: 1, message_bytes: 1, per_second: 0 },
        ];
        for workload in nothing {
            assert!(workload.check().is_err(), "{workload:?}");
        }
        let something = Workload::Idle { idle: 0, active: 1, message_bytes: 1 };
        assert!(something.check().is_ok());
    }
}
