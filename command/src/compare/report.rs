//! What a comparison found, as figures: the table and the JSON are made of this.

use serde::Serialize;
use unix_transport::Availability;

use crate::failure::{Failure, Result};
use crate::measure::machine::Machine;
use crate::measure::{Cores, Measured, Plan, Quartiles, Slice, Workload};

/// A finished comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub(super) machine: Machine,
    pub(super) cores: String,
    pub(super) slice_milliseconds: u64,
    pub(super) slices: usize,
    /// The server to which all others are compared.
    pub(super) baseline: String,
    pub(super) backends: Vec<Backend>,
    pub(super) rows: Vec<Row>,
}

/// Whether a backend took part.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Backend {
    pub(super) name: String,
    pub(super) available: bool,
    pub(super) notes: String,
}

/// One backend under one workload.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) workload: Workload,
    pub(super) backend: String,
    /// Nothing for a stream, which has no round trips.
    pub(super) round_trips_per_second: Option<Figure>,
    /// Nothing for a stream.
    pub(super) latency_microseconds: Option<Latency>,
    /// A stream's messages are its chunks.
    pub(super) messages_per_cpu_second: Figure,
    pub(super) gigabytes_per_second: Figure,
}

/// A figure of every slice.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Figure {
    /// The median of the slices.
    pub(super) median: f64,
    /// The ratio to the baseline's slice in the same rotation.
    pub(super) ratio: Quartiles,
}

/// How long round trips took, all slices together.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
}

impl Report {
    /// The report of `measured`: for each of `workloads`, what each of the servers `names` showed.
    /// The first server is the baseline.
    #[must_use]
    pub(super) fn new(
        machine: Machine,
        cores: Cores,
        plan: Plan,
        backends: &[(&str, Availability)],
        names: &[&str],
        workloads: &[Workload],
        measured: &[Vec<Measured>],
    ) -> Report {
        let backends = backends.iter().map(|(name, availability)| Backend {
            name: (*name).to_owned(),
            available: availability.is_yes(),
            notes: availability.to_string(),
        });
        let mut rows = Vec::new();
        for (workload, servers) in workloads.iter().zip(measured) {
            for (name, server) in names.iter().zip(servers) {
                rows.extend(Row::new(*workload, name, server, &servers[0]));
            }
        }
        Report {
            machine,
            cores: cores.to_string(),
            slice_milliseconds: u64::try_from(plan.slice.as_millis()).unwrap_or(u64::MAX),
            slices: plan.rotations,
            baseline: names.first().copied().unwrap_or_default().to_owned(),
            backends: backends.collect(),
            rows,
        }
    }

    /// As JSON.
    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|error| Failure::new("write JSON", error))
    }
}

impl Row {
    /// Nothing if there are no slices.
    fn new(
        workload: Workload,
        backend: &str,
        server: &Measured,
        baseline: &Measured,
    ) -> Option<Row> {
        let figure = |of: fn(&Slice) -> f64| {
            let figures = server.figures(of);
            let ratio = Quartiles::of_ratios(&figures, &baseline.figures(of))?;
            Some(Figure { median: Quartiles::of(figures)?.median, ratio })
        };
        let round_trips = figure(Slice::messages_per_second)?;
        let microseconds = |quantile| server.latencies.value_at_quantile(quantile) as f64 / 1e3;
        let latency =
            Latency { p50: microseconds(0.5), p99: microseconds(0.99), p99_9: microseconds(0.999) };
        Some(Row {
            workload,
            backend: backend.to_owned(),
            round_trips_per_second: workload.has_round_trips().then_some(round_trips),
            latency_microseconds: workload.has_round_trips().then_some(latency),
            messages_per_cpu_second: figure(Slice::messages_per_cpu_second)?,
            gigabytes_per_second: figure(Slice::gigabytes_per_second)?,
        })
    }
}
