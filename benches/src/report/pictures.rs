//! Which pictures the page has, and what is drawn in each.

use command::failure::Result;
use command::measure::Workload;

use super::Report;
use super::charts::{Dots, Facet, Line, Lines, Mark};
use crate::cells::{Cell, Load};
use crate::results::{CellResult, Figure, ServerResult, control_of};

/// A picture with its words.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) title: String,
    /// How to read it.
    pub(super) caption: &'static str,
    pub(super) svg: String,
}

/// The pictures of which this run has figures.
///
/// # Errors
/// Those of the library that draws.
pub(super) fn all(report: &Report) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    let mut add = |title: &str, caption: &'static str, svg: Option<String>| {
        pictures.extend(svg.map(|svg| Picture { title: title.to_owned(), caption, svg }));
    };
    for bytes in [64, 1024, 16 * 1024] {
        let title = format!("Throughput by connections, {bytes} B");
        add(&title, THROUGHPUT, report.by_connections(bytes).svg()?);
    }
    let cost = |cells: &[&str]| report.dots(cells, Look::COST, of_slices(Figure::CpuPerMessage));
    let more_and_more = ["echo-16x64", "echo-128x64", "echo-1000x64", "echo-10000x64"];
    add("CPU for a message, 64 B", COST, cost(&more_and_more).svg()?);
    let longer = ["echo-128x1024", "echo-128x16384", "pipelined-128", "cycles"];
    add("CPU for a message, other loads", COST, cost(&longer).svg()?);
    let streams = ["stream-4k", "stream-32k", "stream-256k", "stream-1m"];
    add("CPU for a chunk of a stream", COST, cost(&streams).svg()?);
    let sinks = ["sink-4k", "sink-256k"];
    add("CPU for a chunk into a sink", COST, cost(&sinks).svg()?);

    let ratio = |cells: &[&str]| {
        report.dots(cells, Look::RATIO, |result, server| {
            let ratio = result.ratio(Figure::Efficiency, &server.name, &result.baseline)?;
            Some(Mark { middle: ratio.median, half: (ratio.low, ratio.high), beyond: None })
        })
    };
    let title = format!("Messages per CPU second, compared with {}", report.run.options.baseline);
    add(&title, RATIO, ratio(&more_and_more).svg()?);
    add(&format!("{title}: other loads"), RATIO, ratio(&longer).svg()?);

    let latency = |cells: &[&str]| {
        report.dots(cells, Look::LATENCY, |_, server| {
            let latency = server.latency?;
            Some(Mark {
                middle: latency.p50,
                half: (latency.p25, latency.p75),
                beyond: Some([latency.p99, latency.p99_9]),
            })
        })
    };
    add("Latency by the clock", LATENCY, latency(&["open-30", "open-60", "open-90"]).svg()?);
    add(
        "Latency of ping-pong",
        LATENCY,
        latency(&["echo-1x64", "echo-16x64", "echo-128x64"]).svg()?,
    );

    let memory =
        report.dots(&["idle", "echo-1000x64", "echo-10000x64"], Look::MEMORY, |_, server| {
            // What grows by less than nothing is not drawn on an axis of ratios.
            let each = server.bytes_per_connection().filter(|bytes| bytes.median >= 1.0)?;
            Some(Mark { middle: each.median, half: (each.low.max(1.0), each.high), beyond: None })
        });
    add("Memory of a connection", MEMORY, memory.svg()?);
    Ok(pictures)
}

const THROUGHPUT: &str = "Round trips per second over the number of connections, each with one \
    message under way. The bar at each point is the middle half of the slices. Servers of different \
    heats were measured minutes apart.";
const COST: &str = "CPU time that the server used for one message, in its user space and in the \
    kernel. The dot is the median slice, the bar the middle half of the slices. The axis is \
    logarithmic; less is better, and the cheapest comes first. Servers of different heats were \
    measured minutes apart: small differences between them are told by the ratios, not here.";
const RATIO: &str = "The ratio to the baseline. Only slices of the same rotation are compared, which \
    lay side by side, so that servers of all heats can be read together. The dot is the median of the \
    rotations, the bar their middle half. More is better. The baseline's second copy shows what is \
    noise.";
const LATENCY: &str = "The dot is the median round trip, the thick bar the middle half of all round \
    trips; the thin line goes to 99 % (first tick) and 99.9 % (last tick) of them. By the clock, \
    each server has the same share of its own peak, and a latency counts from when its message was \
    due. The axis is logarithmic; less is better. Servers of different heats were measured minutes \
    apart.";
const MEMORY: &str = "By how much the process grew while its connections were opened, for each of \
    them, without what the kernel holds. The dot is the median of the server's lives, the bar their \
    middle half; with 10,000 connections there is one life, so no bar. The axis is logarithmic; \
    less is better.";

/// How a picture of dots looks.
struct Look {
    figure: &'static str,
    logarithmic: bool,
    shared: bool,
    reference: Option<f64>,
    less_is_better: bool,
}

impl Look {
    const COST: Look = Look {
        figure: "µs of CPU",
        logarithmic: true,
        shared: false,
        reference: None,
        less_is_better: true,
    };
    const RATIO: Look = Look {
        figure: "ratio",
        logarithmic: false,
        reference: Some(1.0),
        less_is_better: false,
        ..Look::COST
    };
    const LATENCY: Look = Look { figure: "µs", shared: true, ..Look::COST };
    const MEMORY: Look = Look { figure: "bytes", ..Look::LATENCY };
}

fn of_slices(figure: Figure) -> impl Fn(&CellResult, &ServerResult) -> Option<Mark> {
    move |_, server| {
        let quartiles = figure.quartiles(server)?;
        let half = (quartiles.low, quartiles.high);
        Some(Mark { middle: quartiles.median, half, beyond: None })
    }
}

impl Report {
    /// A panel for each of `names` that was measured.
    fn dots(
        &self,
        names: &[&str],
        look: Look,
        mark: impl Fn(&CellResult, &ServerResult) -> Option<Mark>,
    ) -> Dots {
        let cells = names.iter().filter_map(|name| self.cell(name));
        let panels = cells.filter(|(_, result)| !result.servers.is_empty());
        let panels = panels.map(|(cell, result)| {
            let marks = result
                .servers
                .iter()
                .filter_map(|server| Some((server.name.clone(), mark(result, server)?)));
            Facet { title: brief(cell), marks: marks.collect() }
        });
        let Look { figure, logarithmic, shared, reference, less_is_better } = look;
        Dots { panels: panels.collect(), figure, logarithmic, shared, reference, less_is_better }
    }

    /// Ping-pong with messages of this length, for each server but the control.
    fn by_connections(&self, bytes: usize) -> Lines {
        let mut lines: Vec<Line> = Vec::new();
        for (cell, result) in &self.cells {
            let Load::Same(Workload::PingPong { connections, message_bytes, depth: 1 }) = cell.load
            else {
                continue;
            };
            let control = control_of(&result.baseline);
            let servers = result.servers.iter().filter(|server| server.name != control);
            for server in servers.filter(|_| message_bytes == bytes) {
                let Some(quartiles) = Figure::Throughput.quartiles(server) else { continue };
                let point = (connections as f64, [quartiles.low, quartiles.median, quartiles.high]);
                match lines.iter_mut().find(|line| line.server == server.name) {
                    Some(line) => line.points.push(point),
                    None => {
                        lines.push(Line { server: server.name.clone(), points: vec![point] });
                    }
                }
            }
        }
        Lines { lines, figure: "round trips per second" }
    }
}

/// A cell in so few words that they fit above a panel.
fn brief(cell: &Cell) -> String {
    match cell.load {
        Load::Same(Workload::Idle { idle, .. }) => format!("{idle} idle connections"),
        Load::Same(Workload::Cycles { .. }) => "connect, echo, close".to_owned(),
        Load::Same(Workload::Stream { chunk_bytes } | Workload::Sink { chunk_bytes }) => {
            format!("chunks of {} KiB", chunk_bytes >> 10)
        }
        Load::Same(workload) => workload.to_string(),
        Load::ShareOfPeak(percent) => format!("at {percent} % of the peak"),
    }
}
