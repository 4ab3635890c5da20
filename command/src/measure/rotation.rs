//! Giving each server a slice of load in turn, and keeping what each slice showed.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::generator::{Load, Workload};
use super::server::Server;
use crate::failure::{Failure, Result};

/// How long to measure one workload.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long one server is loaded at a time.
    pub slice: Duration,
    /// How often each server has its turn.
    pub rotations: usize,
    /// How many rotations come before, and do not count.
    pub warm_up: usize,
}

impl Plan {
    /// A slice: long enough for a thousand round trips, short against the machine's drift.
    pub const SLICE: Duration = Duration::from_millis(50);

    /// As many rotations as fit into `total` with this many servers, and one to warm up.
    #[must_use]
    pub fn within(total: Duration, servers: usize) -> Plan {
        let rotation = Plan::SLICE.as_secs_f64() * servers.max(1) as f64;
        // Rounds down: the whole must not take longer.
        let fitting = (total.as_secs_f64() / rotation) as usize;
        Plan { slice: Plan::SLICE, rotations: fitting.saturating_sub(1).max(1), warm_up: 1 }
    }

    /// How many slices there are in all.
    #[must_use]
    pub fn slices(&self, servers: usize) -> usize {
        (self.rotations + self.warm_up) * servers
    }
}

/// What one slice showed.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Messages or chunks that came back.
    pub messages: u64,
    /// Their bytes, counted once.
    pub bytes: u64,
    /// How long it took until the last one was back.
    pub wall: Duration,
    /// How much CPU time the server used meanwhile, in all its threads.
    pub cpu: Duration,
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
}

/// What one server showed under one workload; the slices of all servers are in the same order.
#[derive(Clone, Debug)]
pub struct Measured {
    /// One for each rotation.
    pub slices: Vec<Slice>,
    /// Of every round trip, in nanoseconds; empty for a stream.
    pub latencies: Histogram<u64>,
}

impl Measured {
    /// One figure of every slice.
    pub fn figures(&self, figure: impl Fn(&Slice) -> f64) -> Vec<f64> {
        self.slices.iter().map(figure).collect()
    }
}

/// Loads `servers` in turn with `workload`; `after_slice` is called between slices, and what it
/// fails with ends the measurement. The answer is in the order of `servers`.
///
/// Each rotation begins with another server, so that none always runs after the same one.
///
/// # Errors
/// A server that dies, falls silent or echoes something else; what `after_slice` says.
pub fn measure(
    servers: &mut [Server],
    workload: Workload,
    plan: Plan,
    mut after_slice: impl FnMut() -> Result<()>,
) -> Result<Vec<Measured>> {
    let mut loads = Vec::with_capacity(servers.len());
    let mut measured = Vec::with_capacity(servers.len());
    for server in &mut *servers {
        loads.push(workload.connect(server.path()).map_err(|error| server.explain(&error))?);
        measured
            .push(Measured { slices: Vec::with_capacity(plan.rotations), latencies: histogram()? });
    }
    for rotation in 0..plan.warm_up + plan.rotations {
        for turn in 0..servers.len() {
            let which = (rotation + turn) % servers.len();
            let mut unused = histogram()?;
            let counts = rotation >= plan.warm_up;
            let latencies = if counts { &mut measured[which].latencies } else { &mut unused };
            let slice = run_slice(&mut servers[which], &mut loads[which], plan.slice, latencies);
            // First whether to end: an interrupted measurement also ends its servers.
            after_slice()?;
            let slice = slice?;
            if counts {
                measured[which].slices.push(slice);
            }
        }
    }
    Ok(measured)
}

fn run_slice(
    server: &mut Server,
    load: &mut Load,
    length: Duration,
    latencies: &mut Histogram<u64>,
) -> Result<Slice> {
    let cpu_before = server.cpu_time()?;
    let begin = Instant::now();
    let volume = load.run(length, latencies).map_err(|error| server.explain(&error))?;
    let wall = begin.elapsed();
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    Ok(Slice { messages: volume.messages, bytes: volume.bytes, wall, cpu })
}

/// Latencies from a nanosecond to ten seconds, to three digits.
fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3)
        .map_err(|error| Failure::new("make a histogram", io::Error::other(error)))
}
