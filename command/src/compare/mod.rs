//! `compare`: every backend that works here as an echo server under the same load.

mod report;
mod table;

pub use report::Report;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use unix_transport::Availability;

use crate::arguments::CompareOptions;
use crate::failure::{Failure, Result};
use crate::measure::machine::Machine;
use crate::measure::{Cores, Plan, Server, Workload, rotation};
use crate::output;

/// What each backend is measured with.
const WORKLOADS: [Workload; 4] = [
    Workload::PingPong { connections: 1, message_bytes: 64 },
    Workload::PingPong { connections: 16, message_bytes: 64 },
    Workload::PingPong { connections: 128, message_bytes: 64 },
    Workload::Stream { chunk_bytes: 256 * 1024 },
];

/// Measures and prints.
///
/// # Errors
/// A server that does not start, dies, or echoes something else; an interruption.
pub fn run(options: &CompareOptions) -> Result<()> {
    // Before this thread, and with it what it sees of the machine, moves to one core.
    let machine = Machine::this();
    let interrupted = interruption()?;
    let cores = Cores::choose().map_err(|error| Failure::new("choose cores", error))?;
    let backends = unix_transport::backends();
    let directory = tempfile::Builder::new().prefix("unix-transport-").tempdir();
    let directory = directory.map_err(|error| Failure::new("make a temporary directory", error))?;
    let mut servers = start_servers(&backends, directory.path(), cores)?;

    let total = Duration::from_secs(options.seconds.into());
    let plan = Plan::within(total / WORKLOADS.len() as u32, servers.len());
    let bar = progress(plan.slices(servers.len()) * WORKLOADS.len());
    let mut measured = Vec::new();
    for workload in WORKLOADS {
        bar.set_message(workload.to_string());
        measured.push(rotation::measure(&mut servers, workload, plan, || {
            bar.inc(1);
            match interrupted.load(Ordering::Relaxed) {
                true => Err(Failure::new("compare", "interrupted")),
                false => Ok(()),
            }
        })?);
    }
    bar.finish_and_clear();

    let names: Vec<&str> = servers.iter().map(Server::name).collect();
    let report = Report::new(machine, cores, plan, &backends, &names, &WORKLOADS, &measured);
    for server in servers {
        server.stop()?;
    }
    match options.json {
        true => output::print(report.json()?),
        false => output::print(report),
    }
}

/// A server of each backend that works here, all on the servers' core. The simplest is the first:
/// blocking, to which the others are compared.
fn start_servers(
    backends: &[(&str, Availability)],
    directory: &Path,
    cores: Cores,
) -> Result<Vec<Server>> {
    let program =
        std::env::current_exe().map_err(|error| Failure::new("find this program", error))?;
    pinned(cores.enter_servers())?;
    let mut servers = Vec::new();
    for (name, availability) in backends.iter().rev() {
        if !availability.is_yes() {
            continue;
        }
        let path = directory.join(name);
        let mut command = Command::new(&program);
        command
            .args(["serve", "echo", "--unlink", "--until-input-ends", "--backend", name])
            .arg(&path);
        servers.push(Server::start(name, &path, &mut command)?);
    }
    pinned(cores.enter_generator())?;
    Ok(servers)
}

fn pinned(done: std::io::Result<()>) -> Result<()> {
    done.map_err(|error| Failure::new("move to a core", error))
}

/// Set by Ctrl-C, so that the servers and the directory are removed before this process ends.
fn interruption() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::<AtomicBool>::default();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|error| Failure::new("handle signals", error))?;
    }
    Ok(interrupted)
}

/// A bar on standard error if that is a terminal, else nothing. It moves between slices only.
fn progress(slices: usize) -> ProgressBar {
    let bar = ProgressBar::new(slices as u64);
    match ProgressStyle::with_template("{bar:32} {percent:>3} % {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
