//! The cells of the matrix: what every server is measured under.
//!
//! A cell has a short name, by which it is chosen on the command line, stored in a file and named
//! by a target.

use std::fmt;

use command::failure::{Failure, Result};
use command::measure::Workload;
use glob::Pattern;

/// Over how many connections messages are echoed.
const CONNECTIONS: [usize; 5] = [1, 16, 128, 1000, 10_000];

/// How long the echoed messages are, in bytes.
const MESSAGES: [usize; 3] = [64, 1024, 16 * 1024];

/// How long the chunks of a stream are, in bytes, and what that is called.
const CHUNKS: [(usize, &str); 4] =
    [(4 << 10, "4k"), (32 << 10, "32k"), (256 << 10, "256k"), (1 << 20, "1m")];

/// How long the chunks of a stream into a sink are.
const SINK_CHUNKS: [(usize, &str); 2] = [(4 << 10, "4k"), (256 << 10, "256k")];

/// At which shares of its own peak a server is loaded by the clock, in percent.
const SHARES: [u32; 3] = [30, 60, 90];

/// The cell that shows a server's peak.
pub(crate) const PEAK: &str = "echo-128x64";

/// Connections and bytes of [`PEAK`], which the loads by the clock share.
const PEAK_CONNECTIONS: usize = 128;
const PEAK_MESSAGE: usize = 64;

/// One column of the matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    /// As it is named on the command line and in the result folder.
    pub(crate) name: String,
    /// What the servers are loaded with.
    pub(crate) load: Load,
}

/// What a cell loads its servers with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// All servers with the same.
    Same(Workload),
    /// Each server by the clock, with this share of its own peak, in percent.
    ShareOfPeak(u32),
}

impl Cell {
    fn new(name: impl Into<String>, workload: Workload) -> Cell {
        Cell { name: name.into(), load: Load::Same(workload) }
    }

    /// The cell of this name.
    pub(crate) fn named(name: &str) -> Option<Cell> {
        all().into_iter().find(|cell| cell.name == name)
    }

    /// Whether another cell must have been measured before.
    pub(crate) fn needs_peak(&self) -> bool {
        matches!(self.load, Load::ShareOfPeak(_))
    }

    /// What a server is loaded with whose peak, in messages per second, is `peak`.
    pub(crate) fn workload(&self, peak: f64) -> Workload {
        match self.load {
            Load::Same(workload) => workload,
            Load::ShareOfPeak(percent) => Workload::OpenLoop {
                connections: PEAK_CONNECTIONS,
                message_bytes: PEAK_MESSAGE,
                // A rate is at most millions.
                per_second: (peak * f64::from(percent) / 100.0).round().max(1.0) as u64,
            },
        }
    }
}

/// In words, for a heading.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.load {
            Load::Same(workload) => workload.fmt(f),
            Load::ShareOfPeak(percent) => write!(
                f,
                "{PEAK_CONNECTIONS} connections, {PEAK_MESSAGE} B, by the clock at {percent} % of \
                 each server's peak"
            ),
        }
    }
}

/// All cells, in the order in which they are measured and shown.
pub(crate) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for message_bytes in MESSAGES {
        for connections in CONNECTIONS {
            cells.push(Cell::new(
                format!("echo-{connections}x{message_bytes}"),
                Workload::PingPong { connections, message_bytes, depth: 1 },
            ));
        }
    }
    for connections in [16, 128] {
        let workload = Workload::PingPong { connections, message_bytes: 64, depth: 8 };
        cells.push(Cell::new(format!("pipelined-{connections}"), workload));
    }
    for (chunk_bytes, called) in CHUNKS {
        cells.push(Cell::new(format!("stream-{called}"), Workload::Stream { chunk_bytes }));
    }
    for (chunk_bytes, called) in SINK_CHUNKS {
        cells.push(Cell::new(format!("sink-{called}"), Workload::Sink { chunk_bytes }));
    }
    cells.push(Cell::new("cycles", Workload::Cycles { at_a_time: 16, message_bytes: 64 }));
    let idle = Workload::Idle { idle: 10_000, active: 16, message_bytes: 64 };
    cells.push(Cell::new("idle", idle));
    for percent in SHARES {
        cells.push(Cell { name: format!("open-{percent}"), load: Load::ShareOfPeak(percent) });
    }
    cells
}

/// The cells whose names match any of `patterns`, in the order of the matrix, and the cell that
/// shows the peak if one of them needs it.
///
/// # Errors
/// A pattern that is none, or that matches no cell.
pub(crate) fn select(patterns: &[String]) -> Result<Vec<Cell>> {
    let all = all();
    let mut chosen = vec![patterns.is_empty(); all.len()];
    for text in patterns {
        let pattern = Pattern::new(text)
            .map_err(|error| Failure::Usage(format!("--cells {text}: {error}")))?;
        let mut matched = false;
        for (cell, chosen) in all.iter().zip(&mut chosen) {
            if pattern.matches(&cell.name) {
                (*chosen, matched) = (true, true);
            }
        }
        if !matched {
            let names: Vec<&str> = all.iter().map(|cell| cell.name.as_str()).collect();
            let names = names.join(", ");
            return Err(Failure::Usage(format!("--cells {text}: no such cell; there are {names}")));
        }
    }
    let needs_peak = all.iter().zip(&chosen).any(|(cell, chosen)| *chosen && cell.needs_peak());
    let selected = all.into_iter().zip(chosen);
    let selected = selected.filter(|(cell, chosen)| *chosen || (needs_peak && cell.name == PEAK));
    Ok(selected.map(|(cell, _)| cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let cells = select(&patterns).expect("there are such cells");
        cells.into_iter().map(|cell| cell.name).collect()
    }

    #[test]
    fn names_are_unique_and_the_peak_is_what_the_clock_uses() {
        let mut names: Vec<String> = all().into_iter().map(|cell| cell.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        let expected = Workload::PingPong {
            connections: PEAK_CONNECTIONS,
            message_bytes: PEAK_MESSAGE,
            depth: 1,
        };
        assert_eq!(Cell::named(PEAK).map(|cell| cell.load), Some(Load::Same(expected)));
    }

    #[test]
    fn patterns_choose_in_the_order_of_the_matrix() {
        assert_eq!(names(&["stream-*", "echo-1x64"])[..2], ["echo-1x64", "stream-4k"]);
        assert_eq!(names(&[]).len(), all().len());
        assert!(select(&["nothing".to_owned()]).is_err());
        assert!(select(&["echo-[".to_owned()]).is_err());
    }

    #[test]
    fn what_needs_the_peak_brings_it_along() {
        assert_eq!(names(&["open-60"]), [PEAK, "open-60"]);
    }
}
