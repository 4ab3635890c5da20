//! What a measurement leaves behind: a folder with one file about the run and one for each cell.
//!
//! Every slice is kept, not only its summary: the ratio of any two servers of a cell can be taken
//! rotation by rotation afterwards, whichever was called the baseline when it was measured.

mod figure;
mod folder;
mod run;

pub(crate) use figure::Figure;
pub(crate) use folder::Folder;
pub(crate) use run::{Environment, Options, Run, commit};

use std::collections::HashMap;

use command::measure::{Memory, Quartiles, Slice, Syscalls, Workload};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::roster::Member;

/// How many connections show what one of them costs.
const ENOUGH_FOR_MEMORY: usize = 1000;

/// What one cell showed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct CellResult {
    /// The cell's name.
    pub(crate) cell: String,
    /// Whom a second copy of was the control.
    pub(crate) baseline: String,
    /// How long one slice was, in seconds.
    pub(crate) slice_seconds: f64,
    /// How long the whole cell took, in seconds.
    pub(crate) took_seconds: f64,
    /// Those that were measured, side by side.
    pub(crate) servers: Vec<ServerResult>,
    /// Those that could not be.
    pub(crate) absent: Vec<Absent>,
}

/// What one server showed in one cell.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ServerResult {
    /// Its name.
    pub(crate) name: String,
    /// What it was loaded with.
    pub(crate) workload: Workload,
    /// One for each rotation that it took part in.
    pub(crate) slices: Vec<Slice>,
    /// Of all slices together; nothing for a stream.
    pub(crate) latency: Option<Latency>,
    /// Resident memory.
    pub(crate) memory: Memory,
    /// System calls, counted in a pass of their own.
    pub(crate) syscalls: Syscalls,
}

/// A server that was not measured, and why.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Absent {
    /// Its name.
    pub(crate) server: String,
    /// Why not.
    pub(crate) reason: String,
}

/// How long round trips took, in microseconds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p25: f64,
    pub(crate) p50: f64,
    pub(crate) p75: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) longest: f64,
}

impl Latency {
    /// The latencies in `histogram`, which has nanoseconds; nothing if it is empty.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        (!histogram.is_empty()).then(|| Latency {
            p25: at(0.25),
            p50: at(0.5),
            p75: at(0.75),
            p99: at(0.99),
            p99_9: at(0.999),
            longest: histogram.max() as f64 / 1e3,
        })
    }
}

impl CellResult {
    /// A cell that nobody could be measured in.
    pub(crate) fn impossible(
        cell: &str,
        baseline: &str,
        members: &[Member],
        reason: &str,
    ) -> CellResult {
        let absent = members.iter();
        let absent =
            absent.map(|one| Absent { server: one.name.clone(), reason: reason.to_owned() });
        CellResult {
            cell: cell.to_owned(),
            baseline: baseline.to_owned(),
            slice_seconds: 0.0,
            took_seconds: 0.0,
            servers: Vec::new(),
            absent: absent.collect(),
        }
    }

    /// What the server of this name showed.
    pub(crate) fn server(&self, name: &str) -> Option<&ServerResult> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The ratio of two servers' figures, rotation by rotation; nothing if they never were side by
    /// side.
    pub(crate) fn ratio(&self, figure: Figure, of: &str, to: &str) -> Option<Quartiles> {
        Quartiles::of(self.ratios(figure, of, to))
    }

    /// The ratios of two servers' figures in every rotation that both took part in.
    pub(crate) fn ratios(&self, figure: Figure, of: &str, to: &str) -> Vec<f64> {
        let slices = |name| self.server(name).map_or(&[][..], |server| &server.slices);
        let to: HashMap<usize, &Slice> = slices(to).iter().map(|it| (it.rotation, it)).collect();
        let both = slices(of).iter().filter_map(|of| Some((of, to.get(&of.rotation)?)));
        both.map(|(of, to)| figure.of_slice(of) / figure.of_slice(to)).collect()
    }

    /// How the baseline's second copy compares to the baseline: what is noise in this cell.
    pub(crate) fn control(&self, figure: Figure) -> Option<Quartiles> {
        self.ratio(figure, &control_of(&self.baseline), &self.baseline)
    }
}

impl ServerResult {
    /// How many bytes of resident memory each connection costs: what the process grew by while
    /// they were opened. Nothing for few connections, which show whole pages and what a server
    /// allocates once, and for those that come and go.
    pub(crate) fn bytes_per_connection(&self) -> Option<f64> {
        let connections = self.workload.connections();
        if connections < ENOUGH_FOR_MEMORY {
            return None;
        }
        let grown = self.memory.connected_bytes.saturating_sub(self.memory.idle_bytes);
        Some(grown as f64 / connections as f64)
    }
}

/// The name of a server's second copy.
pub(crate) fn control_of(baseline: &str) -> String {
    format!("{baseline}-again")
}
