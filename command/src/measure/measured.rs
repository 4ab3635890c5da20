//! What a measurement shows: figures of every slice, and of the whole.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Times;

/// What one slice showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The number of its rotation: slices of two servers that share it lie side by side.
    pub rotation: usize,
    /// Messages, chunks or cycles that came back.
    pub messages: u64,
    /// Their bytes, counted once.
    pub bytes: u64,
    /// How long it took until the last one was back.
    pub wall: Duration,
    /// How much CPU time the server used meanwhile, in all its threads.
    pub cpu: Duration,
    /// How often the server's threads were switched out meanwhile, because they waited or because
    /// they had to; without threads that ended.
    pub switches: u64,
}

impl Slice {
    /// Messages per second.
    #[must_use]
    pub fn messages_per_second(&self) -> f64 {
        self.messages as f64 / self.wall.as_secs_f64()
    }

    /// Messages per second of the server's CPU time.
    #[must_use]
    pub fn messages_per_cpu_second(&self) -> f64 {
        self.messages as f64 / self.cpu.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Gigabytes (10⁹ bytes) per second.
    #[must_use]
    pub fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.wall.as_secs_f64() / 1e9
    }

    /// Context switches of the server for each message.
    #[must_use]
    pub fn switches_per_message(&self) -> f64 {
        self.switches as f64 / self.messages.max(1) as f64
    }
}

/// The server's resident memory in bytes at three times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Before the workload's connections, when it had settled.
    pub idle_bytes: u64,
    /// When all connections were open, and each had echoed once.
    pub connected_bytes: u64,
    /// After the last slice, the connections still open.
    pub end_bytes: u64,
}

impl Memory {
    /// By how much the process grew while its connections were opened.
    #[must_use]
    pub fn grown_bytes(&self) -> u64 {
        self.connected_bytes.saturating_sub(self.idle_bytes)
    }
}

/// What one server showed under one workload.
#[derive(Clone, Debug)]
pub struct Measured {
    /// One for each rotation that it took part in, in their order.
    pub slices: Vec<Slice>,
    /// Of every round trip, in nanoseconds; empty for a stream.
    pub latencies: Histogram<u64>,
    /// What the connections cost, once for each life of the server.
    pub memory: Vec<Memory>,
    /// The server's CPU time under load, of all its lives.
    pub times: Times,
}

impl Measured {
    /// Adds what the same server showed in a later life.
    pub fn append(&mut self, later: Measured) {
        self.slices.extend(later.slices);
        self.latencies.add(later.latencies).expect("all histograms have one range");
        self.memory.extend(later.memory);
        self.times += later.times;
    }

    /// One figure of every slice.
    pub fn figures(&self, figure: impl Fn(&Slice) -> f64) -> Vec<f64> {
        self.slices.iter().map(figure).collect()
    }
}
