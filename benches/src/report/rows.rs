//! The figures of a run as rows: one for each server in each cell. Tables, CSV and JSON are made
//! of these.

use command::measure::{Memory, Quartiles, Syscalls};
use command::output::thousands;
use serde::Serialize;

use crate::families::Family;
use crate::results::{CellResult, Figure, Latency, ServerResult, control_of};

/// One server in one cell.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) cell: String,
    pub(crate) server: String,
    /// How many there were: one for each rotation of the heats that it took part in.
    pub(crate) slices: usize,
    pub(crate) messages_per_second: Quartiles,
    /// To the baseline, rotation by rotation.
    pub(crate) messages_per_second_ratio: Quartiles,
    pub(crate) messages_per_cpu_second: Quartiles,
    /// To the baseline, rotation by rotation.
    pub(crate) messages_per_cpu_second_ratio: Quartiles,
    pub(crate) gigabytes_per_second: Quartiles,
    /// Nothing for a stream.
    pub(crate) latency_microseconds: Option<Latency>,
    pub(crate) switches_per_message: Quartiles,
    /// Nothing if they could not be counted.
    pub(crate) syscalls_per_message: Option<f64>,
    /// Why they could not.
    pub(crate) syscalls_uncounted: Option<String>,
    /// Of its CPU time; nothing if that was too short to say.
    pub(crate) kernel_share: Option<f64>,
    /// Of each life.
    pub(crate) memory: Vec<Memory>,
    /// Over the lives; nothing for few connections, and if they come and go.
    pub(crate) bytes_per_connection: Option<Quartiles>,
}

/// The rows of a cell: by family, then by name, the control last.
pub(crate) fn of_cell(result: &CellResult) -> Vec<Row> {
    let mut servers: Vec<&ServerResult> = result.servers.iter().collect();
    let control = control_of(&result.baseline);
    servers.sort_by_key(|server| (server.name == control, Family::of(&server.name), &server.name));
    servers.into_iter().filter_map(|server| Row::new(result, server)).collect()
}

impl Row {
    /// Nothing if there are no slices.
    fn new(result: &CellResult, server: &ServerResult) -> Option<Row> {
        let ratio = |figure| result.ratio(figure, &server.name, &result.baseline);
        let (syscalls_per_message, syscalls_uncounted) = match &server.syscalls {
            Syscalls::PerMessage(count) => (Some(*count), None),
            Syscalls::Unavailable(reason) => (None, Some(reason.clone())),
        };
        Some(Row {
            cell: result.cell.clone(),
            server: server.name.clone(),
            slices: server.slices.len(),
            messages_per_second: Figure::Throughput.quartiles(server)?,
            messages_per_second_ratio: ratio(Figure::Throughput)?,
            messages_per_cpu_second: Figure::Efficiency.quartiles(server)?,
            messages_per_cpu_second_ratio: ratio(Figure::Efficiency)?,
            gigabytes_per_second: Figure::Gigabytes.quartiles(server)?,
            latency_microseconds: server.latency,
            switches_per_message: Figure::Switches.quartiles(server)?,
            syscalls_per_message,
            syscalls_uncounted,
            kernel_share: server.times.kernel_share(),
            memory: server.memory.clone(),
            bytes_per_connection: server.bytes_per_connection(),
        })
    }

    /// The median of the lives; nothing without one.
    pub(crate) fn memory_bytes(&self, of: fn(&Memory) -> u64) -> Option<f64> {
        // Lossless: resident memory is less than 2^53 bytes.
        Quartiles::of(self.memory.iter().map(|memory| of(memory) as f64)).map(|bytes| bytes.median)
    }
}

/// A column of a table for people: its heading, and what it says of a row.
type Column = (&'static str, fn(&Row) -> String);

/// What is shown in a table. A column that says nothing of any row is left out.
const COLUMNS: &[Column] = &[
    ("server", |row| row.server.clone()),
    ("messages/s", |row| thousands(row.messages_per_second.median)),
    ("ratio (quartiles)", |row| ratio(&row.messages_per_second_ratio)),
    ("msgs/CPU s", |row| thousands(row.messages_per_cpu_second.median)),
    ("ratio (quartiles)", |row| ratio(&row.messages_per_cpu_second_ratio)),
    ("GB/s", |row| match row.latency_microseconds {
        None => format!("{:.2}", row.gigabytes_per_second.median),
        Some(_) => String::new(),
    }),
    ("p50 µs", |row| latency(row, |latency| latency.p50)),
    ("p99 µs", |row| latency(row, |latency| latency.p99)),
    ("p99.9 µs", |row| latency(row, |latency| latency.p99_9)),
    ("switches/msg", |row| small(row.switches_per_message.median)),
    ("syscalls/msg", |row| row.syscalls_per_message.map_or_else(String::new, small)),
    ("kernel %", |row| row.kernel_share.map_or_else(String::new, percent)),
    ("memory MB", |row| {
        let connected = row.memory_bytes(|memory| memory.connected_bytes);
        connected.map_or_else(String::new, |bytes| format!("{:.1}", bytes / 1e6))
    }),
    ("B/connection", |row| match row.bytes_per_connection {
        Some(each) => thousands(each.median),
        None => String::new(),
    }),
];

/// A table for people: the headings, and the cells of each row.
pub(crate) fn table(rows: &[Row]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let said = |(_, says): &&Column| rows.iter().any(|row| !says(row).is_empty());
    let columns: Vec<&Column> = COLUMNS.iter().filter(said).collect();
    let headings = columns.iter().map(|(heading, _)| *heading).collect();
    let cells = |row| columns.iter().map(|(_, says)| says(row)).collect();
    (headings, rows.iter().map(cells).collect())
}

/// Who is not in a cell, and why: a line for each reason.
pub(crate) fn absent(result: &CellResult) -> Vec<String> {
    let absent = result.absent.iter();
    let absent = absent.map(|absent| (absent.server.as_str(), absent.reason.as_str()));
    by_reason("not measured", absent)
}

/// Whose system calls were not counted, and why: a line for each reason.
pub(crate) fn uncounted(result: &CellResult) -> Vec<String> {
    let uncounted = result.servers.iter().filter_map(|server| match &server.syscalls {
        Syscalls::Unavailable(reason) => Some((server.name.as_str(), reason.as_str())),
        Syscalls::PerMessage(_) => None,
    });
    by_reason("system calls not counted", uncounted)
}

/// One line for each reason, with all servers that have it.
fn by_reason<'a>(what: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (server, reason) in pairs {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, servers)) => servers.push(server),
            None => reasons.push((reason, vec![server])),
        }
    }
    let line = |(reason, servers): &(&str, Vec<&str>)| {
        format!("{what}: {} ({reason})", servers.join(", "))
    };
    reasons.iter().map(line).collect()
}

fn ratio(ratio: &Quartiles) -> String {
    let Quartiles { low, median, high } = ratio;
    format!("{median:.3} ({low:.3}–{high:.3})")
}

fn latency(row: &Row, of: fn(&Latency) -> f64) -> String {
    row.latency_microseconds
        .as_ref()
        .map_or_else(String::new, |latency| format!("{:.1}", of(latency)))
}

/// A share in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

/// A count that is often far below one.
fn small(figure: f64) -> String {
    format!("{figure:.3}")
}
