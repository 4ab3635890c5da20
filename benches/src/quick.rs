//! `quick`: messages per second and per CPU second, in pairs with tokio, in a minute.

use std::process::Command;
use std::time::Duration;

use clap::Args;
use comfy_table::Table;
use command::failure::{Failure, Result, warn};
use command::measure::machine::Machine;
use command::measure::{
    Cores, Interruption, LineUp, Measured, Plan, Quartiles, Slice, Workload, rotation,
};
use command::output;
use unix_transport::Availability;

use crate::servers::Kind;

/// The workload at which libraries differ most: small messages, many connections.
const WORKLOAD: Workload = Workload::PingPong { connections: 128, message_bytes: 64 };

/// Whom the others are compared to, and the control that shows how much of a ratio is noise.
const BASELINE: Kind = Kind::Tokio;
const CONTROL: Kind = Kind::TokioAgain;

/// Those for which a verdict is given.
const JUDGED: [Kind; 2] = [Kind::Epoll, Kind::Uring];

/// How to compare.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long to measure in all, in seconds
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Which servers take part beside tokio and its control
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values_t = [
        Kind::Epoll, Kind::Uring, Kind::UringBorrowed, Kind::Blocking, Kind::RawEpoll,
    ])]
    servers: Vec<Kind>,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    let machine = Machine::this();
    let cores = Cores::choose().map_err(|error| Failure::new("choose cores", error))?;
    let kinds = taking_part(&options.servers);
    let interruption = Interruption::expect()?;
    let mut line_up = LineUp::start(entrants(&kinds)?, cores, &interruption)?;
    let total = Duration::from_secs(options.seconds.into());
    let plan = Plan::within(total, kinds.len());
    let bar = output::progress(plan.slices(kinds.len()));
    let measured = rotation::measure(line_up.servers_mut(), WORKLOAD, plan, || {
        bar.inc(1);
        interruption.check()
    })?;
    bar.finish_and_clear();
    drop(line_up);

    output::print(format_args!(
        "Echo servers, {WORKLOAD}, every echoed byte verified.\n{machine}\n{cores}; {} slices of {} ms each, in turn\n",
        plan.rotations,
        plan.slice.as_millis()
    ))?;
    output::print(format_args!("{}\n", table(&kinds, &measured).trim_fmt()))?;
    output::print(verdict(&kinds, &measured))
}

/// The baseline first, its control last, as far from it as can be.
fn taking_part(asked: &[Kind]) -> Vec<Kind> {
    let mut kinds = vec![BASELINE];
    for &kind in asked {
        match kind.availability() {
            Availability::Yes(_) if !kinds.contains(&kind) && kind != CONTROL => kinds.push(kind),
            Availability::Yes(_) => {}
            Availability::No(why) => warn(format_args!("{kind} does not work here: {why}")),
        }
    }
    kinds.push(CONTROL);
    kinds
}

fn entrants(kinds: &[Kind]) -> Result<Vec<(String, Command)>> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::new("find this program", error))?;
    let entrants = kinds.iter().map(|kind| {
        let mut command = Command::new(&program);
        command.args(["serve", &kind.to_string(), &std::process::id().to_string()]);
        (kind.to_string(), command)
    });
    Ok(entrants.collect())
}

fn table(kinds: &[Kind], measured: &[Measured]) -> Table {
    let header =
        ["server", "round trips/s", "ratio (quartiles)", "msgs/CPU second", "ratio (quartiles)"];
    let mut table = output::table(&header, 1);
    for (kind, server) in kinds.iter().zip(measured) {
        let mut cells = vec![kind.to_string()];
        for figure in [Slice::messages_per_second, Slice::messages_per_cpu_second] {
            let median = Quartiles::of(server.figures(figure)).map(|quartiles| quartiles.median);
            cells.push(median.map_or_else(String::new, output::thousands));
            cells.push(ratio(server, &measured[0], figure).map_or_else(String::new, |ratio| {
                format!("{:.3} ({:.3} to {:.3})", ratio.median, ratio.low, ratio.high)
            }));
        }
        table.add_row(cells);
    }
    table
}

/// Whether ours are as cheap as the baseline, as far as the control lets one say so.
fn verdict(kinds: &[Kind], measured: &[Measured]) -> String {
    let of = |kind: Kind| {
        let index = kinds.iter().position(|&other| other == kind)?;
        ratio(&measured[index], &measured[0], Slice::messages_per_cpu_second)
    };
    let Some(control) = of(CONTROL) else { return "There is no control.".to_owned() };
    let spread = (1.0 - control.low).max(control.high - 1.0);
    let mut lines = vec![format!(
        "Ratios are to {BASELINE} in the same turn; {CONTROL} is the same program again, and shows \
         the noise: {spread:.3}."
    )];
    for kind in JUDGED {
        let Some(Quartiles { median, .. }) = of(kind) else { continue };
        let judged = if median >= 1.0 - spread { "not below" } else { "BELOW" };
        lines.push(format!(
            "{kind}: {median:.3} of {BASELINE}'s messages per CPU second, {judged} 1.00 by more than \
             the noise."
        ));
    }
    lines.join("\n")
}

fn ratio(server: &Measured, baseline: &Measured, figure: fn(&Slice) -> f64) -> Option<Quartiles> {
    Quartiles::of_ratios(&server.figures(figure), &baseline.figures(figure))
}
