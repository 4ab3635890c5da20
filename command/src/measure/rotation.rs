//! Giving each server a slice of load in turn, and keeping what each slice showed.

use std::time::Duration;

use super::Times;
use super::generator::Remote;
use super::measured::{Measured, Memory, Slice};
use super::plan::Plan;
use super::server::Server;
use super::workload::Workload;
use crate::failure::Result;

/// Loads `servers` in turn with `workload`, each by a generator of its own on this thread's core;
/// `after_step` is called after each of the plan's [steps](Plan::steps), and what it fails with
/// ends the measurement. The answer is in the order of `servers`.
///
/// Each rotation begins with another server, so that none always runs after the same one.
///
/// # Errors
/// A server that dies, falls silent or echoes something else; what `after_step` says.
pub fn measure(
    servers: &mut [Server],
    workload: Workload,
    plan: Plan,
    after_step: impl FnMut() -> Result<()>,
) -> Result<Vec<Measured>> {
    let workloads = vec![workload; servers.len()];
    measure_each(servers, &workloads, plan, after_step)
}

/// The same with a workload for each of the servers, in their order.
///
/// # Errors
/// Those of [`measure`].
pub fn measure_each(
    servers: &mut [Server],
    workloads: &[Workload],
    plan: Plan,
    mut after_step: impl FnMut() -> Result<()>,
) -> Result<Vec<Measured>> {
    // All of them first: the connections of an earlier workload may still be closing.
    servers.iter().try_for_each(Server::settle)?;
    let mut loads = Vec::with_capacity(servers.len());
    for (server, workload) in servers.iter_mut().zip(workloads) {
        let load = Loaded::connect(server, *workload);
        // First whether to end: an interruption also ends servers.
        after_step()?;
        loads.push(load?);
    }
    for rotation in 0..plan.warm_up + plan.rotations {
        for turn in 0..loads.len() {
            let which = (rotation + turn) % loads.len();
            let counted = rotation.checked_sub(plan.warm_up).map(|at| plan.first + at);
            let ran = loads[which].run(&mut servers[which], plan.slice, counted);
            after_step()?;
            ran?;
        }
    }
    // With all connections still open, those of the others too.
    servers.iter_mut().zip(loads).map(|(server, load)| load.finish(server)).collect()
}

/// A server's generator, and what it has shown.
struct Loaded {
    generator: Remote,
    slices: Vec<Slice>,
    idle_bytes: u64,
    connected_bytes: u64,
    /// What the server had used when its connections were open.
    times: Times,
}

impl Loaded {
    fn connect(server: &mut Server, workload: Workload) -> Result<Loaded> {
        let idle_bytes = server.resident_bytes()?;
        let generator = Remote::connect(workload, server.path());
        let generator = generator.map_err(|error| server.explain(&error))?;
        let connected_bytes = server.resident_bytes()?;
        let times = server.times()?;
        Ok(Loaded { generator, slices: Vec::new(), idle_bytes, connected_bytes, times })
    }

    /// One slice, which counts if it has a rotation.
    fn run(
        &mut self,
        server: &mut Server,
        length: Duration,
        rotation: Option<usize>,
    ) -> Result<()> {
        let switches_before = server.switches()?;
        let cpu_before = server.cpu_time()?;
        let ran = self.generator.run(length, rotation.is_some());
        let ran = ran.map_err(|error| server.explain(&error))?;
        let cpu = server.cpu_time()?.saturating_sub(cpu_before);
        let switches = server.switches()?.since(&switches_before);
        if let Some(rotation) = rotation {
            let (messages, bytes) = (ran.volume.messages, ran.volume.bytes);
            self.slices.push(Slice { rotation, messages, bytes, wall: ran.wall, cpu, switches });
        }
        Ok(())
    }

    fn finish(mut self, server: &mut Server) -> Result<Measured> {
        let memory = Memory {
            idle_bytes: self.idle_bytes,
            connected_bytes: self.connected_bytes,
            end_bytes: server.resident_bytes()?,
        };
        let times = server.times()?.since(&self.times);
        let latencies = self.generator.latencies().map_err(|error| server.explain(&error))?;
        Ok(Measured { slices: self.slices, latencies, memory: vec![memory], times })
    }
}
