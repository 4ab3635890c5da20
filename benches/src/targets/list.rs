//! What the figures must be, as data: one entry for each target.

use glob::Pattern;

use crate::families::Family;
use crate::results::{CellResult, Figure, control_of};

use Side::{Best, BestPeer, Only};

/// One line of the targets.
#[derive(Debug)]
pub(crate) struct Target {
    /// In words.
    pub(crate) says: &'static str,
    /// The cells it is about.
    cells: &'static [&'static str],
    pub(super) claim: Claim,
}

/// What a target demands.
#[derive(Debug)]
pub(super) enum Claim {
    /// The figure of the first of each pair, over that of the second.
    AtLeast { ratio: f64, figure: Figure, pairs: &'static [(Side, Side)] },
    /// Bytes of resident memory for each connection.
    AtMostBytesEach { bytes: f64, servers: &'static [&'static str] },
}

/// Who is compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Only(&'static str),
    /// Whoever has the best median ratio to the baseline in the cell.
    Best(&'static [&'static str]),
    /// The same, of those that are neither ours nor raw loops.
    BestPeer,
}

/// Our servers by their defaults: no busy waiting.
const OURS: &[&str] = &["epoll", "uring", "uring-owned", "uring-borrowed", "blocking"];

const URING_PATHS: Side = Best(&["uring-owned", "uring-borrowed"]);

/// The loops of the owned path's technique; which one the path follows is up to the machine.
const OWNED_LOOPS: Side = Best(&["raw-ring-owned", "raw-ring-direct"]);

const SMALL: &[&str] = &["echo-16x64", "echo-128x64", "echo-1000x64"];

const FEW_AND_SHORT: &[&str] = &["echo-16x64", "echo-128x64", "echo-16x1024", "echo-128x1024"];

const MANY_AND_SHORT: &[&str] = &["echo-1000x64", "echo-1000x1024"];

const SHORT_FROM_16: &[&str] = &[
    "echo-16x64",
    "echo-128x64",
    "echo-1000x64",
    "echo-10000x64",
    "echo-16x1024",
    "echo-128x1024",
    "echo-1000x1024",
    "echo-10000x1024",
];

const LONG_CHUNKS: &[&str] = &["stream-32k", "stream-256k", "stream-1m"];

const ALL: &[&str] = &["*"];

const ALL_BUT_BY_THE_CLOCK: &[&str] =
    &["echo-*", "pipelined-*", "stream-*", "sink-*", "cycles", "idle"];

/// All targets.
pub(crate) const TARGETS: &[Target] = &[
    Target {
        says: "epoll against the raw epoll loop",
        cells: SMALL,
        claim: efficiency(0.98, &[(Only("epoll"), Only("raw-epoll"))]),
    },
    Target {
        says: "io_uring against the raw ring loop of the same technique",
        cells: SMALL,
        claim: efficiency(
            0.97,
            &[
                (Only("uring-owned"), OWNED_LOOPS),
                (Only("uring-borrowed"), Only("raw-ring-borrowed")),
            ],
        ),
    },
    Target {
        says: "io_uring by its best path against the raw epoll loop",
        cells: &["echo-16x64", "echo-128x64"],
        claim: efficiency(1.05, &[(URING_PATHS, Only("raw-epoll"))]),
    },
    Target {
        says: "the synchronous face against raw blocking calls",
        cells: &["echo-1x64", "echo-16x64", "echo-128x64", "echo-1000x64"],
        claim: efficiency(0.99, &[(Only("blocking"), Only("raw-blocking"))]),
    },
    Target {
        says: "epoll and io_uring against tokio and mio",
        cells: ALL,
        claim: efficiency(
            1.0,
            &[
                (Only("epoll"), Only("tokio")),
                (Only("epoll"), Only("mio")),
                (Only("uring"), Only("tokio")),
                (Only("uring"), Only("mio")),
            ],
        ),
    },
    Target {
        says: "io_uring against tokio, 16 and 128 connections",
        cells: FEW_AND_SHORT,
        claim: efficiency(1.06, &[(Only("uring"), Only("tokio"))]),
    },
    Target {
        says: "io_uring against tokio, 1,000 connections",
        cells: MANY_AND_SHORT,
        claim: efficiency(1.0, &[(Only("uring"), Only("tokio"))]),
    },
    Target {
        says: "io_uring against monoio, compio and glommio",
        cells: SHORT_FROM_16,
        claim: efficiency(
            1.05,
            &[
                (Only("uring"), Only("monoio")),
                (Only("uring"), Only("compio")),
                (Only("uring"), Only("glommio")),
            ],
        ),
    },
    Target {
        says: "io_uring against tokio-uring",
        cells: SHORT_FROM_16,
        claim: efficiency(1.02, &[(Only("uring"), Only("tokio-uring"))]),
    },
    Target {
        says: "our best against the best peer",
        cells: ALL_BUT_BY_THE_CLOCK,
        claim: efficiency(1.0, &[(Best(OURS), BestPeer)]),
    },
    Target {
        says: "borrowed streams against the raw loops",
        cells: LONG_CHUNKS,
        claim: efficiency(
            0.97,
            &[
                (Only("epoll"), Only("raw-epoll")),
                (Only("uring-borrowed"), Only("raw-ring-borrowed")),
                (Only("blocking"), Only("raw-blocking")),
            ],
        ),
    },
    Target {
        says: "our sockets on tokio's reactor against tokio's own",
        cells: &["echo-16x64", "echo-128x64"],
        claim: efficiency(0.97, &[(Only("hosted-tokio"), Only("tokio"))]),
    },
    Target {
        says: "memory of an idle connection",
        cells: &["idle"],
        claim: Claim::AtMostBytesEach {
            bytes: 1024.0,
            servers: &["epoll", "uring", "uring-owned", "uring-borrowed"],
        },
    },
    Target {
        says: "round trips with spinning against without, one connection",
        cells: &["echo-1x64"],
        claim: Claim::AtLeast {
            ratio: 2.0,
            figure: Figure::Throughput,
            pairs: &[(Only("epoll-spin"), Only("epoll")), (Only("uring-spin"), Only("uring"))],
        },
    },
];

/// Who shows the most that a server's technique gives, as far as is known; of io_uring the server that
/// may use any has them all.
pub(super) fn bare_loops(server: &str) -> &'static [&'static str] {
    match server {
        "epoll" | "epoll-owned" | "hosted-tokio" => &["raw-epoll"],
        "uring" => &["raw-ring", "raw-ring-borrowed", "raw-ring-owned", "raw-ring-direct"],
        "uring-owned" => &["raw-ring-owned", "raw-ring-direct"],
        "uring-borrowed" => &["raw-ring-borrowed"],
        "blocking" => &["raw-blocking"],
        _ => &[],
    }
}

/// What tasks cost a bare loop: a loop with a task for each connection, and the same without. Its own,
/// or, where that was not measured, another of its mechanism.
pub(super) fn price_of_tasks(bare_loop: &str) -> &'static [(&'static str, &'static str)] {
    match bare_loop {
        "raw-epoll" => &[("raw-epoll-tasks", "raw-epoll")],
        "raw-ring" => {
            &[("raw-ring-oneshot-tasks", "raw-ring"), ("raw-ring-tasks", "raw-ring-borrowed")]
        }
        "raw-ring-owned" => {
            &[("raw-ring-owned-tasks", "raw-ring-owned"), ("raw-ring-tasks", "raw-ring-borrowed")]
        }
        "raw-ring-borrowed" | "raw-ring-direct" => &[("raw-ring-tasks", "raw-ring-borrowed")],
        _ => &[],
    }
}

const fn efficiency(ratio: f64, pairs: &'static [(Side, Side)]) -> Claim {
    Claim::AtLeast { ratio, figure: Figure::Efficiency, pairs }
}

impl Target {
    /// Whether it is about the cell of this name.
    pub(super) fn is_about(&self, cell: &str) -> bool {
        let matches = |text| Pattern::new(text).is_ok_and(|pattern| pattern.matches(cell));
        self.cells.iter().any(|text| matches(text))
    }
}

impl Side {
    /// Who that is in a cell; nothing if nobody of them was measured.
    pub(super) fn of(self, figure: Figure, result: &CellResult) -> Option<&str> {
        let control = control_of(&result.baseline);
        let takes_part = |name: &str| match self {
            Only(only) => name == only,
            Best(of) => of.contains(&name),
            BestPeer => Family::of(name).is_peer() && name != control,
        };
        let candidates = result.servers.iter().filter(|server| takes_part(&server.name));
        let ratio = |name: &str| result.ratio(figure, name, &result.baseline);
        let ranked = candidates.filter_map(|it| Some((ratio(&it.name)?.median, it)));
        let best = ranked.max_by(|(one, _), (other, _)| one.total_cmp(other));
        best.map(|(_, server)| server.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::cells::{self, Cell};
    use crate::servers::Kind;
    use crate::{heats, peers, roster};

    #[test]
    fn every_target_is_about_cells_that_exist() {
        for target in TARGETS {
            for pattern in target.cells {
                let alone =
                    |cell: &&Cell| Pattern::new(pattern).is_ok_and(|it| it.matches(&cell.name));
                assert!(cells::all().iter().any(|cell| alone(&cell)), "{pattern}");
            }
        }
    }

    #[test]
    fn whoever_is_compared_shares_a_heat() {
        let mut all = vec![roster::BASELINE.to_owned()];
        all.extend(Kind::value_variants().iter().map(ToString::to_string));
        let peers = peers::all().iter().map(|peer| peer.name.to_owned());
        all.extend(peers.filter(|name| name != roster::BASELINE));
        all.push(control_of(roster::BASELINE));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let heats = heats::deal(&all, roster::BASELINE);
        let share = |one: &str, other: &str| {
            let is_in = |heat: &[usize], name: &str| heat.iter().any(|at: &usize| all[*at] == name);
            heats.iter().any(|heat| is_in(heat, one) && is_in(heat, other))
        };
        let those = |side: Side| match side {
            Only(name) => vec![name],
            Best(names) => names.to_vec(),
            BestPeer => {
                all.iter().copied().filter(|name| Family::of(name).is_peer()).collect::<Vec<_>>()
            }
        };
        for target in TARGETS {
            let Claim::AtLeast { pairs, .. } = target.claim else { continue };
            for (one, other) in pairs {
                for name in those(*one) {
                    for against in those(*other) {
                        assert!(share(name, against), "{}: {name}, {against}", target.says);
                    }
                }
            }
        }
    }
}
