//! The figures that are made of slices: what is compared, tabulated, drawn and judged.

use std::fmt;

use command::measure::{Quartiles, Slice};
use serde::Serialize;

use super::ServerResult;

/// A figure that every slice has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Messages that came back, per second.
    Throughput,
    /// Messages per second of the server's CPU time.
    Efficiency,
    /// The server's CPU time for one message, in microseconds.
    CpuPerMessage,
    /// Bytes that came back, in units of 10⁹ per second.
    Gigabytes,
    /// Context switches of the server for one message.
    Switches,
}

impl Figure {
    /// The figure of one slice.
    pub(crate) fn of_slice(self, slice: &Slice) -> f64 {
        match self {
            Figure::Throughput => slice.messages_per_second(),
            Figure::Efficiency => slice.messages_per_cpu_second(),
            Figure::CpuPerMessage => 1e6 / slice.messages_per_cpu_second(),
            Figure::Gigabytes => slice.gigabytes_per_second(),
            Figure::Switches => slice.switches_per_message(),
        }
    }

    /// Where the middle half of a server's slices lies; nothing without slices.
    pub(crate) fn quartiles(self, server: &ServerResult) -> Option<Quartiles> {
        Quartiles::of(server.slices.iter().map(|slice| self.of_slice(slice)))
    }
}

/// As a column's heading.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Figure::Throughput => "messages/s",
            Figure::Efficiency => "messages/CPU second",
            Figure::CpuPerMessage => "CPU µs/message",
            Figure::Gigabytes => "GB/s",
            Figure::Switches => "switches/message",
        })
    }
}
