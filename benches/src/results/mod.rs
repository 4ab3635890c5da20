//! What a measurement leaves behind: a folder with one file about the run and one for each cell.
//!
//! Every slice is kept, not only its summary: the ratio of any two servers of a heat can be taken
//! rotation by rotation afterwards, whichever was called the baseline when it was measured.

mod figure;
mod folder;
mod run;

pub(crate) use figure::Figure;
pub(crate) use folder::Folder;
pub(crate) use run::{Environment, Options, Run, commit};

use std::collections::HashMap;

use command::measure::{Memory, Quartiles, Slice, Syscalls, Times, Workload};
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
    /// How long one slice was, in seconds; the longest, if heats differ.
    pub(crate) slice_seconds: f64,
    /// How long the whole cell took, in seconds.
    pub(crate) took_seconds: f64,
    /// Those that were measured, side by side with the others of their heat.
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
    /// One for each rotation of its heats. Slices of two servers that share a rotation lay side by
    /// side; others may be minutes apart.
    pub(crate) slices: Vec<Slice>,
    /// Of all slices together; nothing for a stream.
    pub(crate) latency: Option<Latency>,
    /// Resident memory, once for each life of the server.
    pub(crate) memory: Vec<Memory>,
    /// CPU time since connections were open, of all lives.
    #[serde(default)]
    pub(crate) times: Times,
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
    /// they were opened, in each of its lives. Nothing for few connections, which show whole pages
    /// and what a server allocates once, and for those that come and go.
    pub(crate) fn bytes_per_connection(&self) -> Option<Quartiles> {
        let connections = self.workload.connections();
        if connections < ENOUGH_FOR_MEMORY {
            return None;
        }
        let grown = self.memory.iter().map(Memory::grown_bytes);
        Quartiles::of(grown.map(|bytes| bytes as f64 / connections as f64))
    }
}

/// The name of a server's second copy.
pub(crate) fn control_of(baseline: &str) -> String {
    format!("{baseline}-again")
}

#[cfg(test)]
mod fixtures {
    use std::time::Duration;

    use super::*;

    impl CellResult {
        /// A cell of these servers, compared with tokio.
        pub(crate) fn fixture(cell: &str, servers: Vec<ServerResult>) -> CellResult {
            CellResult {
                cell: cell.to_owned(),
                baseline: "tokio".to_owned(),
                slice_seconds: 0.01,
                took_seconds: 0.1,
                servers,
                absent: Vec::new(),
            }
        }
    }

    impl ServerResult {
        /// A server whose slices take these CPU times for a thousand messages each, in
        /// microseconds, again and again, and whose connections cost 1,500 bytes each.
        pub(crate) fn fixture(name: &str, cpu: &[u64]) -> ServerResult {
            let slice = |(rotation, cpu): (usize, &u64)| Slice {
                rotation,
                messages: 1000,
                bytes: 64_000,
                wall: Duration::from_millis(10),
                cpu: Duration::from_micros(*cpu),
                switches: 0,
            };
            ServerResult {
                name: name.to_owned(),
                workload: Workload::Idle { idle: 999, active: 1, message_bytes: 64 },
                slices: cpu.iter().cycle().take(12).enumerate().map(slice).collect(),
                latency: None,
                memory: vec![Memory { idle_bytes: 0, connected_bytes: 1_500_000, end_bytes: 0 }],
                times: Times { user: Duration::from_secs(1), system: Duration::from_secs(3) },
                syscalls: Syscalls::PerMessage(1.0),
            }
        }
    }

    #[test]
    fn the_memory_of_a_connection_is_the_median_of_the_lives() {
        let life = |connected_bytes| Memory { idle_bytes: 0, connected_bytes, end_bytes: 0 };
        let memory = vec![life(900_000), life(1_000_000), life(2_000_000)];
        let server = ServerResult { memory, ..ServerResult::fixture("epoll", &[1]) };
        let each = server.bytes_per_connection().expect("there are enough connections");
        assert_eq!(each, Quartiles { low: 950.0, median: 1000.0, high: 1500.0 });
    }
}
