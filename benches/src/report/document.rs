//! The figures of `docs/performance.md`, so that a command repeats them: where they are from, the
//! targets, and tables that compare cells instead of one table for each.

use std::fmt::{self, Write as _};
use std::iter;

use command::measure::{Quartiles, Syscalls};
use command::output::thousands;

use super::Report;
use super::rows;
use super::text::{Form, table};
use crate::cells::Cell;
use crate::results::{CellResult, Figure, ServerResult, control_of};

/// Who stands in the tables of ratios, beside the control.
const WIDE: &[&str] = &[
    "epoll",
    "uring",
    "uring-owned",
    "uring-borrowed",
    "blocking",
    "raw-epoll",
    "raw-epoll-tasks",
    "raw-ring-owned",
    "raw-ring-owned-tasks",
    "raw-ring-direct",
    "raw-ring-borrowed",
    "raw-ring-tasks",
    "raw-ring",
    "raw-ring-oneshot-tasks",
    "tokio",
    "mio",
    "smol",
    "monoio",
    "compio",
    "glommio",
    "tokio-uring",
];

/// Who stands in tables whose fields are long.
const NARROW: &[&str] = &[
    "epoll",
    "uring",
    "uring-owned",
    "uring-borrowed",
    "blocking",
    "raw-epoll",
    "raw-ring-owned",
    "raw-ring-direct",
    "tokio",
    "mio",
    "monoio",
    "compio",
];

/// What connections cost as they become more: a heading, the cell, and the figure.
const COST: &[(&str, &str, Says)] = &[
    ("µs, 16", "echo-16x64", cpu),
    ("µs, 128", "echo-128x64", cpu),
    ("µs, 1,000", "echo-1000x64", cpu),
    ("µs, 10,000", "echo-10000x64", cpu),
    ("B, 1,000", "echo-1000x64", memory),
    ("B, 10,000", "echo-10000x64", memory),
];

/// A figure of a server in a cell, in words; nothing if it has none.
type Says = fn(&CellResult, &ServerResult) -> Option<String>;

/// What a table says of all servers: a heading, the cell, and the figure.
type Line<'a> = (String, &'a CellResult, Says);

/// Rows of fields, the headings first.
type Grid = Vec<Vec<String>>;

impl Report {
    /// The section, without what people say about it.
    pub(super) fn document(&self) -> Result<String, fmt::Error> {
        let baseline = &self.run.options.baseline;
        let control = control_of(baseline);
        let wide: Vec<&str> = WIDE.iter().copied().chain([control.as_str()]).collect();
        let under_load = |cell: &Cell| !cell.needs_peak();
        let tables = [
            (
                format!(
                    "Messages per CPU second, as ratios to {baseline} in the same rotation, medians. \
                     `{control}` is the control, with its quartiles: what lies between them is noise"
                ),
                grid("cell", &self.lines(under_load, efficiency), &wide),
            ),
            (
                "Messages per second, as ratios likewise. The load generator is a limit, so that \
                 fast servers look alike"
                    .to_owned(),
                grid("cell", &self.lines(under_load, throughput), &wide),
            ),
            (
                "Latency by the clock, in microseconds, p50 / p99 / p99.9, each server at a share \
                 of its own peak"
                    .to_owned(),
                grid("cell", &self.lines(Cell::needs_peak, latency), NARROW),
            ),
            (
                "System calls for each message, traced, so that what is done once for many \
                 messages is counted at its best; nothing stands where they could not be counted"
                    .to_owned(),
                grid("cell", &self.lines(|_| true, syscalls), NARROW),
            ),
            (
                "Where the time goes: the kernel's share of the server's CPU time, in percent; the rest \
                 is the server's own code and libc's"
                    .to_owned(),
                grid("cell", &self.lines(|_| true, kernel_share), NARROW),
            ),
            (
                "Context switches of the server for each message, medians of the slices".to_owned(),
                grid("cell", &self.lines(|_| true, switches), NARROW),
            ),
            (
                "What connections cost as they become more, each with one message of 64 bytes under \
                 way: the server's CPU time for a message, in microseconds, and its memory for a \
                 connection, in bytes. These figures are absolute, and those of servers of different \
                 heats are minutes apart"
                    .to_owned(),
                self.cost(),
            ),
            (
                "Memory for each of 10,000 idle connections, in bytes of the process".to_owned(),
                self.idle(),
            ),
        ];
        let mut text = String::new();
        writeln!(text, "{}", self.provenance(Form::Markdown))?;
        write!(text, "{}", self.targets(Form::Markdown)?)?;
        for (title, grid) in tables {
            // Headings alone are no table.
            if let [headings, rows @ ..] = &grid[..]
                && !rows.is_empty()
            {
                let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
                let rows = table(&headings, rows.to_vec(), 1, Form::Markdown);
                writeln!(text, "{title}:\n\n{rows}\n")?;
            }
        }
        for remark in self.absent() {
            writeln!(text, "- {remark}")?;
        }
        Ok(text.trim_end().to_owned())
    }

    /// A line for each cell that is of some kind.
    fn lines(&self, is: impl Fn(&Cell) -> bool, says: Says) -> Vec<Line<'_>> {
        let cells = self.cells.iter().filter(|(cell, _)| is(cell));
        cells.map(|(cell, result)| (format!("`{}`", cell.name), result, says)).collect()
    }

    /// What connections cost, a row for each server.
    fn cost(&self) -> Grid {
        let lines = COST.iter().filter_map(|(heading, cell, says)| {
            self.cell(cell).map(|(_, result)| ((*heading).to_owned(), result, *says))
        });
        transposed(&grid("server", &lines.collect::<Vec<_>>(), NARROW))
    }

    /// What idle connections cost, a row for each server that there is.
    fn idle(&self) -> Grid {
        let Some((_, result)) = self.cell("idle") else { return Grid::new() };
        let rows = rows::of_cell(result);
        let servers: Vec<&str> = rows.iter().map(|row| row.server.as_str()).collect();
        transposed(&grid("server", &[("bytes".to_owned(), result, memory)], &servers))
    }

    /// Who was not measured, why, and in which cells.
    fn absent(&self) -> Vec<String> {
        let mut remarks: Vec<(String, Vec<&str>)> = Vec::new();
        for (cell, result) in &self.cells {
            for remark in rows::absent(result) {
                match remarks.iter_mut().find(|(known, _)| *known == remark) {
                    Some((_, cells)) => cells.push(&cell.name),
                    None => remarks.push((remark, vec![&cell.name])),
                }
            }
        }
        let line =
            |(remark, cells): &(String, Vec<&str>)| format!("{remark}: {}", cells.join(", "));
        remarks.iter().map(line).collect()
    }
}

/// A row for each line, a column for each server; those of which nothing is said are left out.
fn grid(corner: &str, lines: &[Line<'_>], servers: &[&str]) -> Grid {
    let headings = lines.iter().map(|(heading, ..)| heading.clone());
    let of_server = |name: &&str| {
        let said = lines.iter().map(|(_, result, says)| {
            result.server(name).and_then(|server| says(result, server)).unwrap_or_default()
        });
        iter::once((*name).to_owned()).chain(said).collect::<Vec<_>>()
    };
    let mut by_server: Grid = vec![iter::once(corner.to_owned()).chain(headings).collect()];
    by_server.extend(servers.iter().map(of_server).filter(|row| says_something(row)));
    let mut by_line = transposed(&by_server);
    by_line.retain(|row| says_something(row));
    by_line
}

/// Whether there is more than its heading.
fn says_something(row: &[String]) -> bool {
    row.iter().skip(1).any(|field| !field.is_empty())
}

/// Its columns as rows.
fn transposed(grid: &Grid) -> Grid {
    let columns = grid.first().map_or(0, Vec::len);
    (0..columns).map(|column| grid.iter().map(|row| row[column].clone()).collect()).collect()
}

fn efficiency(result: &CellResult, server: &ServerResult) -> Option<String> {
    ratio(Figure::Efficiency, result, server)
}

fn throughput(result: &CellResult, server: &ServerResult) -> Option<String> {
    ratio(Figure::Throughput, result, server)
}

/// To the baseline, of which nothing is said itself; the control's with its noise.
fn ratio(figure: Figure, result: &CellResult, server: &ServerResult) -> Option<String> {
    let CellResult { baseline, .. } = result;
    if server.name == *baseline {
        return None;
    }
    let Quartiles { low, median, high } = result.ratio(figure, &server.name, baseline)?;
    Some(match server.name == control_of(baseline) {
        true => format!("{median:.2} ({low:.2} to {high:.2})"),
        false => format!("{median:.2}"),
    })
}

fn latency(_: &CellResult, server: &ServerResult) -> Option<String> {
    let latency = server.latency?;
    Some(format!("{:.0} / {:.0} / {:.0}", latency.p50, latency.p99, latency.p99_9))
}

fn syscalls(_: &CellResult, server: &ServerResult) -> Option<String> {
    match server.syscalls {
        Syscalls::PerMessage(count) => Some(format!("{count:.3}")),
        Syscalls::Unavailable(_) => None,
    }
}

fn kernel_share(_: &CellResult, server: &ServerResult) -> Option<String> {
    server.times.kernel_share().map(rows::percent)
}

fn switches(_: &CellResult, server: &ServerResult) -> Option<String> {
    Some(format!("{:.3}", Figure::Switches.quartiles(server)?.median))
}

fn cpu(_: &CellResult, server: &ServerResult) -> Option<String> {
    Some(format!("{:.2}", Figure::CpuPerMessage.quartiles(server)?.median))
}

fn memory(_: &CellResult, server: &ServerResult) -> Option<String> {
    Some(thousands(server.bytes_per_connection()?.median))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Absent, Environment, Options, Run};

    fn report(cells: &[&str]) -> Report {
        let options = Options {
            seconds_per_cell: 1,
            baseline: "tokio".to_owned(),
            servers: Vec::new(),
            commit: "0".to_owned(),
        };
        let environment = Environment::now(String::new(), &[]);
        let cell = |name: &&str| {
            let servers = [("tokio", 3000), ("other", 1), ("epoll", 2000), ("tokio-again", 3000)];
            let servers = servers.map(|(name, cpu)| ServerResult::fixture(name, &[cpu]));
            let absent = Absent { server: "mio".to_owned(), reason: "a fixture".to_owned() };
            let result = CellResult::fixture(name, servers.into());
            let result = CellResult { absent: vec![absent], ..result };
            (Cell::named(name).expect("a cell"), result)
        };
        Report::new(Run { options, environment }, cells.iter().map(cell).collect())
    }

    #[test]
    fn servers_are_compared_over_the_cells_that_were_measured() -> Result<(), fmt::Error> {
        let text = report(&["echo-16x64", "idle"]).document()?;
        for lines in [
            "- baseline: tokio\n",
            "| cell | epoll | tokio-again |\n|---|---:|---:|\n\
             | `echo-16x64` | 1.50 | 1.00 (1.00 to 1.00) |\n\
             | `idle` | 1.50 | 1.00 (1.00 to 1.00) |\n\n",
            "| cell | epoll | tokio |\n|---|---:|---:|\n| `echo-16x64` | 1.000 | 1.000 |\n",
            "| server | µs, 16 |\n|---|---:|\n| epoll | 2.00 |\n| tokio | 3.00 |\n\n",
            "| server | bytes |\n|---|---:|\n| epoll | 1,500 |\n| other | 1,500 |\n",
            "- not measured: mio (a fixture): echo-16x64, idle",
        ] {
            assert!(text.contains(lines), "{lines} is missing in {text}");
        }
        assert!(!text.contains("Latency by the clock"), "{text}");
        Ok(())
    }

    #[test]
    fn a_run_without_cells_has_no_tables() -> Result<(), fmt::Error> {
        assert!(!report(&[]).document()?.contains("| cell |"));
        Ok(())
    }
}
