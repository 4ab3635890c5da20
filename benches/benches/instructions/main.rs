//! How many instructions the hot paths cost, compared with the figures in `instructions.json`.
//!
//! Times on a shared machine drift by a quarter; instructions repeat. Callgrind counts those of
//! this process, the C library's included and the kernel's not: what this library adds to the
//! system calls. Each path runs in a process of its own under valgrind, which must be installed.
//! Io_uring works there too: valgrind (3.19) passes its system calls on, and the rings are ordinary
//! memory to it. Only clocks differ, which are read by a system call there. What it can't show is how
//! long an instruction takes: a locked one or a cache miss counts as one, so a change may be faster
//! and cost more here; `benches quick` is the judge of that.
//!
//! ```sh
//! cargo bench -p benches --bench instructions               # fails where a path costs more
//! cargo bench -p benches --bench instructions -- uring      # only paths with this in the name
//! cargo bench -p benches --bench instructions -- --update   # writes the figures anew
//! callgrind_annotate target/instructions/epoll-echo-borrowed.callgrind   # where they go
//! ```

mod figures;
mod paths;
mod valgrind;

use std::process::ExitCode;

use clap::Parser;
use command::failure::{Failure, Result, warn};
use command::output;
use unix_transport::Availability;

use figures::{Change, Figures, Toolchain};
use paths::Path;

/// Count the instructions of the hot paths, and compare them with the committed figures.
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Arguments {
    /// Only the paths with this in their name
    filter: Option<String>,
    /// Write what is counted into the file of figures, instead of judging it
    #[arg(long, conflicts_with = "filter")]
    update: bool,
    /// Be the program that is counted: walk this path
    #[arg(long, value_name = "PATH", hide = true)]
    walk: Option<String>,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.walk {
        Some(name) => walk(name),
        None => count(&arguments),
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

fn walk(name: &str) -> Result<()> {
    let path = paths::all().into_iter().find(|path| path.name == name);
    let path = path.ok_or_else(|| Failure::Usage(format!("there is no path {name}")))?;
    (path.walk)().map_err(|error| Failure::new(format_args!("walk {name}"), error))
}

fn count(arguments: &Arguments) -> Result<()> {
    if cfg!(debug_assertions) {
        warn("nothing is counted: the figures are of optimised code, which cargo bench builds");
        return Ok(());
    }
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let mut paths = paths::all();
    paths.retain(|path| path.name.contains(filter));
    if paths.is_empty() {
        return Err(Failure::Usage(format!("no path has \"{filter}\" in its name")));
    }
    let toolchain = Toolchain::this()?;
    let committed = Figures::read()?;
    let counted = count_each(&paths)?;

    let header = ["path", "an operation is", "instructions", "committed", "change"];
    let mut table = output::table(&header, 2);
    let mut changes = Vec::new();
    for (path, instructions) in &counted {
        let change = committed.change(&path.name, *instructions);
        table.add_row([
            path.name.clone(),
            path.operation.to_owned(),
            format!("{instructions:.1}"),
            committed.of(&path.name).map_or_else(String::new, |figure| format!("{figure:.1}")),
            change.to_string(),
        ]);
        changes.push((path.name.as_str(), change));
    }
    output::print(table.trim_fmt())?;

    if !arguments.update {
        return judge(&changes, &toolchain.difference(&committed));
    }
    if counted.len() < paths.len() {
        return Err(Failure::new("update the figures", "some paths can't be counted here"));
    }
    let counted = counted.into_iter().map(|(path, instructions)| (path.name.clone(), instructions));
    Figures::new(toolchain, counted).write()
}

/// The instructions of one operation on each path that works here; with `CONFORMANCE_STRICT=1` all
/// must.
fn count_each(paths: &[Path]) -> Result<Vec<(&Path, f64)>> {
    let is_strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
    let bar = output::progress(paths.len());
    let mut counted = Vec::new();
    for path in paths {
        match (path.probe)() {
            Availability::Yes(_) => {
                let total = valgrind::instructions(&path.name)?;
                counted.push((path, total as f64 / f64::from(path.operations)));
            }
            Availability::No(why) if is_strict => {
                return Err(Failure::new(format_args!("count {}", path.name), why));
            }
            Availability::No(why) => warn(format_args!("{} is not counted: {why}", path.name)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(counted)
}

/// Fails if a path costs more than was committed, or has no committed figure.
fn judge(changes: &[(&str, Change)], difference: &str) -> Result<()> {
    let names = |wanted: fn(&Change) -> bool| {
        let names = changes.iter().filter(|(_, change)| wanted(change)).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let less = names(|change| matches!(change, Change::Less(_)));
    if !less.is_empty() {
        output::print(format_args!("Cheaper than committed, run with --update: {less}."))?;
    }
    let unknown = names(|change| matches!(change, Change::Unknown));
    if !unknown.is_empty() {
        let why = "no figure is committed, run with --update";
        return Err(Failure::new(unknown, why));
    }
    let more = names(|change| matches!(change, Change::More(_)));
    if !more.is_empty() {
        let limit = figures::TOLERANCE * 100.0;
        let why = format!("more instructions than committed, by over {limit} %{difference}");
        return Err(Failure::new(more, why));
    }
    Ok(())
}
