//! `compare`: every backend that works here as an echo server under the same load.

mod report;
mod table;

pub use report::Report;

use std::process::Command;
use std::time::Duration;

use unix_transport::Availability;

use crate::arguments::CompareOptions;
use crate::failure::{Failure, Result};
use crate::measure::machine::Machine;
use crate::measure::{Cores, Interruption, LineUp, Plan, Server, Workload, rotation};
use crate::output;

/// What each backend is measured with.
const WORKLOADS: [Workload; 4] = [
    Workload::PingPong { connections: 1, message_bytes: 64, depth: 1 },
    Workload::PingPong { connections: 16, message_bytes: 64, depth: 1 },
    Workload::PingPong { connections: 128, message_bytes: 64, depth: 1 },
    Workload::Stream { chunk_bytes: 256 * 1024 },
];

/// Measures and prints.
///
/// # Errors
/// A server that does not start, dies, or echoes something else; an interruption.
pub fn run(options: &CompareOptions) -> Result<()> {
    // Before this thread, and with it what it sees of the machine, moves to one core.
    let machine = Machine::this();
    let interruption = Interruption::expect()?;
    let cores = Cores::choose().map_err(|error| Failure::new("choose cores", error))?;
    let backends = unix_transport::backends();
    let mut line_up = LineUp::start(entrants(&backends)?, cores, &interruption)?;

    let total = Duration::from_secs(options.seconds.into());
    let plan = Plan::within(total / WORKLOADS.len() as u32, line_up.servers().len());
    let bar = output::progress(plan.steps(line_up.servers().len()) * WORKLOADS.len());
    let mut measured = Vec::new();
    for workload in WORKLOADS {
        bar.set_message(workload.to_string());
        measured.push(rotation::measure(line_up.servers_mut(), workload, plan, || {
            bar.inc(1);
            interruption.check()
        })?);
    }
    bar.finish_and_clear();

    let names: Vec<&str> = line_up.servers().iter().map(Server::name).collect();
    let report = Report::new(machine, cores, plan, &backends, &names, &WORKLOADS, &measured);
    line_up.stop()?;
    match options.json {
        true => output::print(report.json()?),
        false => output::print(report),
    }
}

/// A server of each backend that works here. The simplest is the first: blocking, to which the
/// others are compared.
fn entrants(backends: &[(&str, Availability)]) -> Result<Vec<(String, Command)>> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::new("find this program", error))?;
    let working = backends.iter().rev().filter(|(_, availability)| availability.is_yes());
    let entrants = working.map(|&(name, _)| {
        let mut command = Command::new(&program);
        command.args(["serve", "echo", "--unlink", "--backend", name]);
        command.arg("--parent").arg(std::process::id().to_string());
        (name.to_owned(), command)
    });
    Ok(entrants.collect())
}
