//! Judging a run: each target in each cell, for each pair.

use command::measure::Quartiles;
use serde::Serialize;

use super::limits::Limits;
use super::list::{Claim, TARGETS, Target};
use crate::cells::Cell;
use crate::results::{CellResult, Figure};

/// How many rotations there must be for a judgement: the quartiles of fewer say nothing.
const ROTATIONS: usize = 4;

/// A target in one cell, for one pair or server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Judgement {
    pub(crate) target: &'static str,
    pub(crate) cell: String,
    /// Who was to reach it.
    pub(crate) server: String,
    /// Compared to whom; nothing for an absolute figure.
    pub(crate) against: Option<String>,
    /// What was compared.
    pub(crate) figure: String,
    /// What was to be reached: at least this ratio, or at most so many bytes.
    pub(crate) bound: f64,
    /// How far a ratio may be on the wrong side: half of the control's spread.
    pub(crate) tolerance: f64,
    /// What was reached.
    pub(crate) reached: Quartiles,
    pub(crate) met: bool,
    pub(crate) limits: Limits,
}

impl Judgement {
    /// How far the figure is on the right side, as a share of what was to be reached; negative if
    /// it is missed.
    pub(crate) fn margin(&self) -> f64 {
        match self.against {
            Some(_) => (self.reached.median - (self.bound - self.tolerance)) / self.bound,
            None => (self.bound - self.reached.median) / self.bound,
        }
    }

    /// Who, in words.
    pub(crate) fn sides(&self) -> String {
        match &self.against {
            Some(against) => format!("{} / {against}", self.server),
            None => self.server.clone(),
        }
    }

    /// What was to be reached, in words.
    pub(crate) fn demand(&self) -> String {
        match self.against {
            Some(_) => format!("≥ {:.2}", self.bound),
            None => format!("≤ {:.0} B", self.bound),
        }
    }

    /// What was reached, in words.
    pub(crate) fn outcome(&self) -> String {
        match self.against {
            Some(_) => ratio(&self.reached),
            None => format!("{:.0} B", self.reached.median),
        }
    }

    /// Whether the closest of the limits misses it, too.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        self.limits.closest().is_some_and(|limit| limit < self.bound - self.tolerance)
    }
}

/// The figure of one server over that of another; nothing if they met in too few rotations.
pub(super) fn compared(
    result: &CellResult,
    figure: Figure,
    server: &str,
    against: &str,
) -> Option<Quartiles> {
    let ratios = result.ratios(figure, server, against);
    (ratios.len() >= ROTATIONS).then(|| Quartiles::of(ratios))?
}

/// Quartiles of ratios, in words.
pub(super) fn ratio(Quartiles { low, median, high }: &Quartiles) -> String {
    format!("{median:.3} ({low:.3} to {high:.3})")
}

/// Judges every target in every cell whose servers were measured, in the order of the targets.
pub(crate) fn judge(results: &[(Cell, CellResult)]) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for target in TARGETS {
        for (_, result) in results.iter().filter(|(cell, _)| target.is_about(&cell.name)) {
            target.judge(result, &mut judgements);
        }
    }
    judgements
}

/// What the judgements of one target come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) target: &'static str,
    /// Pairs and cells that were judged, and how many of them reached it.
    pub(crate) judged: usize,
    pub(crate) met: usize,
    /// The judgement with the least margin; nothing if nothing was judged.
    pub(crate) closest: Option<&'a Judgement>,
}

impl Summary<'_> {
    /// How often it is met, in words.
    pub(crate) fn verdict(&self) -> String {
        match self.judged {
            0 => "not judged".to_owned(),
            judged => format!("{} of {judged}", self.met),
        }
    }
}

/// One line for each target, in their order.
pub(crate) fn summaries(judgements: &[Judgement]) -> Vec<Summary<'_>> {
    let summary = |target: &Target| {
        let own = || judgements.iter().filter(|judgement| judgement.target == target.says);
        Summary {
            target: target.says,
            judged: own().count(),
            met: own().filter(|judgement| judgement.met).count(),
            closest: own().min_by(|one, other| one.margin().total_cmp(&other.margin())),
        }
    };
    TARGETS.iter().map(summary).collect()
}

impl Target {
    fn judge(&self, result: &CellResult, judgements: &mut Vec<Judgement>) {
        match self.claim {
            Claim::AtLeast { ratio: bound, figure, pairs } => {
                // Without a control nothing can be told from noise.
                let Some(control) = result.control(figure) else { return };
                let tolerance = control.spread() / 2.0;
                judgements.extend(pairs.iter().filter_map(|(server, against)| {
                    let (server, against) =
                        (server.of(figure, result)?, against.of(figure, result)?);
                    let reached = compared(result, figure, server, against)?;
                    Some(Judgement {
                        target: self.says,
                        cell: result.cell.clone(),
                        server: server.to_owned(),
                        against: Some(against.to_owned()),
                        figure: figure.to_string(),
                        bound,
                        tolerance,
                        reached,
                        met: reached.median >= bound - tolerance,
                        limits: Limits::of(result, figure, server, against),
                    })
                }));
            }
            Claim::AtMostBytesEach { bytes, servers } => {
                judgements.extend(servers.iter().filter_map(|name| {
                    let each = result.server(name)?.bytes_per_connection()?;
                    Some(Judgement {
                        target: self.says,
                        cell: result.cell.clone(),
                        server: (*name).to_owned(),
                        against: None,
                        figure: "bytes per connection".to_owned(),
                        bound: bytes,
                        tolerance: 0.0,
                        reached: each,
                        met: each.median <= bytes,
                        limits: Limits::default(),
                    })
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use command::measure::Times;

    use super::*;
    use crate::results::ServerResult;

    fn server(name: &str, cpu: &[u64]) -> ServerResult {
        ServerResult::fixture(name, cpu)
    }

    fn judged(cell: &str, servers: Vec<ServerResult>) -> Vec<Judgement> {
        let result = CellResult::fixture(cell, servers);
        judge(&[(Cell::named(cell).expect("a cell"), result)])
    }

    fn of<'a>(judgements: &'a [Judgement], server: &str, against: &str) -> Option<&'a Judgement> {
        let is = |one: &&Judgement| one.server == server && one.against.as_deref() == Some(against);
        judgements.iter().find(is)
    }

    #[test]
    fn a_target_is_missed_only_by_more_than_half_the_controls_spread() {
        // The control's ratios are 0.95, 1 and 1.05, four times each: a tolerance of 0.05.
        let control = [2000, 2100, 1995];
        let baseline: [u32; 3] = [1900, 2100, 2095];
        let slower = |share: f64| baseline.map(|cpu| (f64::from(cpu) * share) as u64);
        for (share, met) in [(1.04, true), (1.07, false)] {
            let judgements = judged(
                "echo-128x64",
                vec![
                    server("tokio", &baseline.map(u64::from)),
                    server("epoll", &slower(share)),
                    server("tokio-again", &control),
                ],
            );
            let judgement = of(&judgements, "epoll", "tokio").expect("both are there");
            assert!((judgement.tolerance - 0.05).abs() < 0.001, "{judgement:?}");
            assert!((judgement.reached.median - 1.0 / share).abs() < 0.001, "{judgement:?}");
            assert_eq!(judgement.met, met);
            assert_eq!(judgement.margin() >= 0.0, met);
        }
    }

    #[test]
    fn what_the_best_bare_loop_misses_is_told_apart() {
        for (loop_takes, beyond) in [(31, true), (28, false)] {
            let servers = vec![
                server("tokio", &[30]),
                server("uring", &[32]),
                server("epoll", &[29]),
                server("raw-ring", &[loop_takes + 5]),
                server("raw-ring-owned", &[loop_takes]),
                server("tokio-again", &[30]),
            ];
            let judgements = judged("stream-32k", servers);
            let judgement = of(&judgements, "uring", "tokio").expect("both are there");
            let limit = judgement.limits.bare_loop.as_ref().expect("there are bare loops");
            assert_eq!(limit.server, "raw-ring-owned", "the best of them");
            assert!(!judgement.met);
            assert_eq!(judgement.is_out_of_reach(), beyond);
            let judgement = of(&judgements, "epoll", "tokio").expect("both are there");
            assert!(judgement.limits.bare_loop.is_none(), "its loop was not measured");
            assert_eq!(judgement.limits.in_words(), ["", "", "1.379"]);
        }
    }

    #[test]
    fn what_tasks_cost_lowers_the_limit_and_own_code_raises_what_was_reached() {
        let mut epoll = server("epoll", &[32]);
        let second = Duration::from_secs(1);
        epoll.times = Times { user: second, system: 4 * second };
        let servers = vec![
            server("tokio", &[30]),
            epoll,
            server("raw-epoll", &[30]),
            server("raw-epoll-tasks", &[31]),
            server("tokio-again", &[30]),
        ];
        let judgements = judged("echo-128x64", servers);
        let close = |one: Option<f64>, other: f64| (one.expect("measured") - other).abs() < 1e-3;
        for against in ["raw-epoll", "tokio"] {
            let judgement = of(&judgements, "epoll", against).expect("both are there");
            let limits = &judgement.limits;
            assert_eq!(limits.bare_loop.is_some(), against == "tokio");
            assert!(close(limits.with_tasks, 30.0 / 31.0), "{limits:?}");
            assert!(close(limits.without_own_code, 30.0 / 32.0 / 0.8), "{limits:?}");
            assert!(judgement.is_out_of_reach(), "{judgement:?}");
        }
    }

    #[test]
    fn each_loop_pays_the_price_that_tasks_have_for_it() {
        let mut servers = vec![
            server("tokio", &[30]),
            server("uring", &[29]),
            server("raw-ring", &[24]),
            server("raw-ring-borrowed", &[27]),
            server("raw-ring-tasks", &[27]),
            server("tokio-again", &[30]),
        ];
        let limit = |servers: &[ServerResult]| {
            let judgements = judged("echo-128x64", servers.to_vec());
            let judgement = of(&judgements, "uring", "tokio").expect("both are there");
            assert_eq!(judgement.limits.bare_loop.as_ref().expect("there are").server, "raw-ring");
            judgement.limits.with_tasks.expect("it was measured")
        };
        let close = |one: f64, other: f64| (one - other).abs() < 1e-3;
        assert!(close(limit(&servers), 30.0 / 24.0), "by another's, which has them for nothing");
        servers.push(server("raw-ring-oneshot-tasks", &[28]));
        assert!(close(limit(&servers), 30.0 / 27.0), "by its own, and the other loop is ahead");
        servers.last_mut().expect("pushed").slices = server("", &[26]).slices;
        assert!(close(limit(&servers), 30.0 / 26.0), "by its own, and still ahead");
    }

    #[test]
    fn who_was_not_side_by_side_is_not_compared() {
        let mut later = server("mio", &[20]);
        later.slices.iter_mut().for_each(|slice| slice.rotation += 10);
        let servers = vec![
            server("tokio", &[30]),
            later,
            server("epoll", &[21]),
            server("tokio-again", &[30]),
        ];
        let judgements = judged("idle", servers);
        assert!(of(&judgements, "epoll", "tokio").is_some());
        // Two rotations are too few.
        assert!(of(&judgements, "epoll", "mio").is_none());
    }

    #[test]
    fn the_best_are_found_and_the_control_is_no_peer() {
        let judgements = judged(
            "cycles",
            vec![
                server("tokio", &[30, 30]),
                server("mio", &[20, 20]),
                server("raw-epoll", &[5, 5]),
                server("uring", &[22, 22]),
                server("uring-spin", &[1, 1]),
                server("epoll", &[21, 21]),
                server("tokio-again", &[10, 10]),
            ],
        );
        let best = judgements.iter().find(|one| one.target == "our best against the best peer");
        let best = best.expect("there are peers");
        assert_eq!((best.server.as_str(), best.against.as_deref()), ("epoll", Some("mio")));
        let summaries = summaries(&judgements);
        assert_eq!(summaries.iter().filter(|summary| summary.judged > 0).count(), 2);
        assert_eq!(summaries.len(), TARGETS.len());
    }

    #[test]
    fn nothing_is_judged_without_a_control_but_memory() {
        let servers = vec![server("tokio", &[3]), server("epoll", &[2]), server("uring", &[2])];
        let judgements = judged("idle", servers);
        assert!(judgements.iter().all(|judgement| judgement.against.is_none()));
        assert_eq!(judgements.len(), 2);
        // 1,500,000 bytes for 1,000 connections.
        assert!(judgements.iter().all(|judgement| !judgement.met && judgement.margin() < 0.0));
    }
}
