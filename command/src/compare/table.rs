//! A comparison as one table for people.

use std::fmt;

use comfy_table::Table;

use super::report::{Figure, Report, Row};
use crate::output::{self, counted, thousands};

const HEADER: [&str; 8] = [
    "workload",
    "backend",
    "round trips/s",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "msgs/CPU second",
    "GB/s",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { machine, cores, slices, slice_milliseconds, .. } = self;
        writeln!(
            f,
            "One echo server for each backend, the same load for all, every echoed byte verified."
        )?;
        writeln!(f, "{machine}")?;
        writeln!(
            f,
            "{cores}; {} of {slice_milliseconds} ms each, in turn",
            counted(*slices as u64, "slice")
        )?;
        writeln!(f)?;
        writeln!(f, "{}", self.table().trim_fmt())?;
        writeln!(f)?;
        for backend in self.backends.iter().filter(|backend| !backend.available) {
            writeln!(f, "{} does not work here: {}", backend.name, backend.notes)?;
        }
        write!(
            f,
            "Medians over the slices. × is the ratio to {} in the same turn, so the machine's drift\n\
             cancels out: above 1.00 is better, and differences below 0.03 are noise. The CPU seconds\n\
             are the server's: they say what a message costs it. A stream's messages are its chunks,\n\
             and its GB/s go there and back again.",
            self.baseline
        )
    }
}

impl Report {
    fn table(&self) -> Table {
        let mut table = output::table(&HEADER, 2);
        let mut above = None;
        for row in &self.rows {
            let first = above != Some(row.workload);
            table.add_row_if(|_, _| first && above.is_some(), [""; HEADER.len()]);
            table.add_row(cells(row, first));
            above = Some(row.workload);
        }
        table
    }
}

fn cells(row: &Row, first: bool) -> [String; HEADER.len()] {
    let latency = |of: fn(&super::report::Latency) -> f64| {
        row.latency_microseconds
            .as_ref()
            .map_or_else(nothing, |latency| format!("{:.1}", of(latency)))
    };
    [
        if first { row.workload.to_string() } else { String::new() },
        row.backend.clone(),
        row.round_trips_per_second.map_or_else(nothing, |figure| whole(&figure)),
        latency(|latency| latency.p50),
        latency(|latency| latency.p99),
        latency(|latency| latency.p99_9),
        whole(&row.messages_per_cpu_second),
        match row.round_trips_per_second {
            Some(_) => nothing(),
            None => format!(
                "{:.2} {}",
                row.gigabytes_per_second.median,
                ratio(&row.gigabytes_per_second)
            ),
        },
    ]
}

fn whole(figure: &Figure) -> String {
    format!("{} {}", thousands(figure.median), ratio(figure))
}

fn ratio(figure: &Figure) -> String {
    format!("{:.2}×", figure.ratio.median)
}

fn nothing() -> String {
    "–".to_owned()
}
