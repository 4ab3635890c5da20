//! The rows of a run as CSV, one line for each server in each cell: for spreadsheets and scripts.
//!
//! Every line also has what it was measured of and where, so that lines of several runs can stand
//! in one sheet.

use command::failure::{Failure, Result};
use command::measure::Quartiles;
use csv::Writer;

use super::rows::Row;
use crate::results::Run;

/// A column: its name, and its field for a row of a run. What a row does not have is an empty field.
type Column = (&'static str, fn(&Run, &Row) -> String);

const COLUMNS: &[Column] = &[
    ("cell", |_, row| row.cell.clone()),
    ("server", |_, row| row.server.clone()),
    ("slices", |_, row| row.slices.to_string()),
    ("messages_per_second", |_, row| median(&row.messages_per_second)),
    ("messages_per_second_low", |_, row| low(&row.messages_per_second)),
    ("messages_per_second_high", |_, row| high(&row.messages_per_second)),
    ("messages_per_second_ratio", |_, row| median(&row.messages_per_second_ratio)),
    ("messages_per_second_ratio_low", |_, row| low(&row.messages_per_second_ratio)),
    ("messages_per_second_ratio_high", |_, row| high(&row.messages_per_second_ratio)),
    ("messages_per_cpu_second", |_, row| median(&row.messages_per_cpu_second)),
    ("messages_per_cpu_second_low", |_, row| low(&row.messages_per_cpu_second)),
    ("messages_per_cpu_second_high", |_, row| high(&row.messages_per_cpu_second)),
    ("messages_per_cpu_second_ratio", |_, row| median(&row.messages_per_cpu_second_ratio)),
    ("messages_per_cpu_second_ratio_low", |_, row| low(&row.messages_per_cpu_second_ratio)),
    ("messages_per_cpu_second_ratio_high", |_, row| high(&row.messages_per_cpu_second_ratio)),
    ("gigabytes_per_second", |_, row| median(&row.gigabytes_per_second)),
    ("p50_microseconds", |_, row| optional(row.latency_microseconds.map(|latency| latency.p50))),
    ("p99_microseconds", |_, row| optional(row.latency_microseconds.map(|latency| latency.p99))),
    ("p99_9_microseconds", |_, row| {
        optional(row.latency_microseconds.map(|latency| latency.p99_9))
    }),
    ("switches_per_message", |_, row| median(&row.switches_per_message)),
    ("syscalls_per_message", |_, row| optional(row.syscalls_per_message)),
    ("kernel_share", |_, row| optional(row.kernel_share)),
    ("memory_idle_bytes", |_, row| optional(row.memory_bytes(|memory| memory.idle_bytes))),
    ("memory_connected_bytes", |_, row| {
        optional(row.memory_bytes(|memory| memory.connected_bytes))
    }),
    ("memory_end_bytes", |_, row| optional(row.memory_bytes(|memory| memory.end_bytes))),
    ("bytes_per_connection", |_, row| optional(row.bytes_per_connection.map(|each| each.median))),
    ("bytes_per_connection_low", |_, row| optional(row.bytes_per_connection.map(|each| each.low))),
    ("bytes_per_connection_high", |_, row| {
        optional(row.bytes_per_connection.map(|each| each.high))
    }),
    ("version", |run, row| run.version_of(&row.server).unwrap_or_default().to_owned()),
    ("commit", |run, _| run.options.commit.clone()),
    ("processor", |run, _| run.environment.processor.clone()),
    ("cores", |run, _| run.environment.cores.to_string()),
    ("kernel", |run, _| run.environment.kernel.clone()),
    ("rustc", |run, _| run.environment.rustc.clone()),
];

/// All rows, under a line with the columns' names.
pub(super) fn text<'a>(run: &Run, rows: impl Iterator<Item = &'a Row>) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| Failure::new("write CSV", error);
    let mut writer = Writer::from_writer(Vec::new());
    let names = COLUMNS.iter().map(|(name, _)| *name);
    writer.write_record(names).map_err(|error| failed(&error))?;
    for row in rows {
        let fields = COLUMNS.iter().map(|(_, field)| field(run, row));
        writer.write_record(fields).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn low(quartiles: &Quartiles) -> String {
    quartiles.low.to_string()
}

fn median(quartiles: &Quartiles) -> String {
    quartiles.median.to_string()
}

fn high(quartiles: &Quartiles) -> String {
    quartiles.high.to_string()
}

fn optional(figure: Option<f64>) -> String {
    figure.map_or_else(String::new, |figure| figure.to_string())
}
