//! `quick`: one cell of the matrix, where libraries differ most, in a minute.

use std::time::Duration;

use clap::Args;
use command::failure::{Failure, Result};
use command::measure::{Cores, Interruption};
use command::output;

use crate::cells::{Cell, PEAK};
use crate::measuring::Bench;
use crate::report::Report;
use crate::results::{self, Environment, Run, commit};
use crate::roster;

/// How to compare.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long to measure in all, in seconds
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Which servers take part beside tokio and its control
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values = [
        "epoll", "uring", "uring-owned", "uring-borrowed", "blocking", "raw-epoll",
    ])]
    servers: Vec<String>,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    let interruption = Interruption::expect()?;
    let members = roster::gather(&options.servers, roster::BASELINE, &interruption)?;
    let cores = Cores::choose().map_err(|error| Failure::new("choose cores", error))?;
    let cell = Cell::named(PEAK);
    let cell = cell.ok_or_else(|| Failure::new("measure", "there is no such cell"))?;
    let run = Run {
        environment: Environment::now(cores.to_string(), &members),
        options: results::Options {
            seconds_per_cell: options.seconds,
            baseline: roster::BASELINE.to_owned(),
            servers: members.iter().map(|member| member.name.clone()).collect(),
            commit: commit(),
        },
    };
    let bench = Bench {
        cores,
        interruption: &interruption,
        baseline: roster::BASELINE,
        length: Duration::from_secs(options.seconds.into()),
        counts_syscalls: false,
    };
    let bar = output::progress(100);
    let advance = |share: f64| bar.set_position((share * 100.0) as u64);
    let result = bench.measure(&cell, &members, None, &advance)?;
    bar.finish_and_clear();
    output::print(Report::new(run, vec![(cell, result)]).short()?)
}
