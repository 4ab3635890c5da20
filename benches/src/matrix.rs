//! `matrix`: every server in every cell. What is done is kept, so that a run that was interrupted
//! goes on where it stopped.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use command::failure::{Failure, Result, warn};
use command::measure::{Cores, Interruption};
use command::output;
use humantime::format_duration;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cells::{self, Cell, PEAK};
use crate::measuring::Bench;
use crate::report::{self, Report};
use crate::results::{CellResult, Environment, Folder, Run, commit};
use crate::roster::{self, Member};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which cells, as patterns of their names (`echo-*x64`); all unless given
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    cells: Vec<String>,
    /// Which servers, beside the baseline; all that work here unless given
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    servers: Vec<String>,
    /// How long each cell's load lasts, in seconds, all servers together
    #[arg(long, value_name = "N", default_value_t = 45, value_parser = clap::value_parser!(u32).range(1..))]
    seconds_per_cell: u32,
    /// The server that takes part twice, as the control
    #[arg(long, value_name = "NAME", default_value = roster::BASELINE)]
    baseline: String,
    /// Where the results are kept
    #[arg(long, value_name = "FOLDER", default_value = report::FOLDER)]
    output: PathBuf,
    /// Remove the results that are there, instead of going on
    #[arg(long)]
    fresh: bool,
}

/// Measures what is not there yet, and writes the report.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cells = cells::select(&options.cells)?;
    let interruption = Interruption::expect()?;
    let members = roster::gather(&options.servers, &options.baseline, &interruption)?;
    let cores = Cores::choose().map_err(|error| Failure::new("choose cores", error))?;
    let run = Run {
        environment: Environment::now(cores.to_string(), &members),
        options: crate::results::Options {
            seconds_per_cell: options.seconds_per_cell,
            baseline: options.baseline.clone(),
            servers: members.iter().map(|member| member.name.clone()).collect(),
            commit: commit(),
        },
    };
    let folder = Folder::resume(&options.output, run, options.fresh)?;
    let bench = Bench {
        cores,
        interruption: &interruption,
        baseline: &options.baseline,
        length: Duration::from_secs(options.seconds_per_cell.into()),
        counts_syscalls: true,
    };
    measure(&bench, &cells, &members, &folder)?;
    let report = Report::new(folder.run.clone(), folder.cells()?);
    output::print(report.verdict()?)?;
    report.write(&folder)
}

/// Measures the cells that `folder` lacks, and puts them there one by one.
fn measure(bench: &Bench<'_>, cells: &[Cell], members: &[Member], folder: &Folder) -> Result<()> {
    let mut missing = Vec::new();
    for cell in cells {
        if folder.cell(&cell.name)?.is_none() {
            missing.push(cell);
        }
    }
    let mut progress = Progress::of(&missing, cells.len() - missing.len());
    let mut failures = 0;
    for cell in missing {
        let peaks = if cell.needs_peak() { folder.cell(PEAK)? } else { None };
        progress.begin(cell);
        let measured = bench.measure(cell, members, peaks.as_ref(), &|share| progress.show(share));
        match measured {
            Ok(result) => {
                folder.store(&result)?;
                progress.end(&result);
            }
            Err(failure) => {
                progress.pause();
                if bench.interruption.check().is_err() {
                    return Err(progress.interrupted(folder));
                }
                failures += 1;
                warn(format_args!("{}: {failure}", cell.name));
            }
        }
    }
    progress.pause();
    if failures > 0 {
        warn(format_args!(
            "{failures} cells could not be measured; the same command tries them again"
        ));
    }
    Ok(())
}

/// How far the run is, and how long it will take: a bar on a terminal, and a line for each cell.
struct Progress {
    bar: ProgressBar,
    /// How many cells were there already, are done, and are to be done in all by this run.
    before: usize,
    done: usize,
    all: usize,
    /// The weight of those that are done, of the current one, and of all.
    weight_done: u64,
    weight: u64,
    weight_of_all: u64,
    begun: Instant,
}

/// Steps of the bar for a weight of 1.
const STEPS: u64 = 1000;

/// How long a cell takes, compared with others: opening many connections takes as long as their
/// load.
fn weight(cell: &Cell) -> u64 {
    match cell.workload(0.0).connections() {
        0..1000 => 2,
        1000..10_000 => 3,
        _ => 6,
    }
}

impl Progress {
    fn of(missing: &[&Cell], before: usize) -> Progress {
        let weight_of_all = missing.iter().map(|cell| weight(cell)).sum();
        let bar = ProgressBar::new(weight_of_all * STEPS);
        // The template is a constant: if it is wrong, the bar is plain.
        let bar = match ProgressStyle::with_template("{bar:32} {percent:>3} %, {eta} left, {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        let (done, all) = (0, missing.len());
        let (weight_done, weight) = (0, 0);
        let begun = Instant::now();
        Progress { bar, before, done, all, weight_done, weight, weight_of_all, begun }
    }

    fn begin(&mut self, cell: &Cell) {
        self.weight = weight(cell);
        self.bar.set_message(format!("{}: {cell}", cell.name));
    }

    /// That this share of the current cell is done.
    fn show(&self, share: f64) {
        let weight = self.weight_done as f64 + share.clamp(0.0, 1.0) * self.weight as f64;
        self.bar.set_position((weight * STEPS as f64) as u64);
    }

    fn end(&mut self, result: &CellResult) {
        self.done += 1;
        self.weight_done += std::mem::take(&mut self.weight);
        self.show(0.0);
        let weight_left = (self.weight_of_all - self.weight_done) as f64;
        let left = self.begun.elapsed().mul_f64(weight_left / self.weight_done as f64);
        let servers = match result.servers.len() {
            0 => result.absent.first().map_or("", |absent| &absent.reason).to_owned(),
            count => format!("{count} servers, {} left out", result.absent.len()),
        };
        let line = format!(
            "{}: {servers}, {} ({} of {}, about {} left)",
            result.cell,
            seconds(Duration::from_secs_f64(result.took_seconds)),
            self.before + self.done,
            self.before + self.all,
            seconds(left),
        );
        self.bar.suspend(|| warn(line));
    }

    fn pause(&self) {
        self.bar.suspend(|| ());
    }

    fn interrupted(&self, folder: &Folder) -> Failure {
        self.bar.finish_and_clear();
        Failure::Operation(format!(
            "interrupted: {} of {} cells are in {}; the same command, without `--fresh`, goes on, and `benches report` \
             shows what is there",
            self.before + self.done,
            self.before + self.all,
            folder.path().display(),
        ))
    }
}

fn seconds(duration: Duration) -> humantime::FormattedDuration {
    format_duration(Duration::from_secs(duration.as_secs()))
}
