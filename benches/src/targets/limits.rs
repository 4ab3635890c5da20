//! What a figure could be at most: by what others reached beside it.

use command::measure::Quartiles;
use serde::Serialize;

use super::judging::{compared, ratio};
use super::list::{bare_loops, price_of_tasks};
use crate::results::{CellResult, Figure};

/// What the limits are called.
pub(crate) const LIMITS: [&str; 3] =
    ["best bare loop (quartiles)", "with tasks", "without own code"];

/// What they are.
pub(crate) const LIMITS_EXPLAINED: &str = "\
    The limits are what the best loop on bare system calls reached beside it; the most that one reached at \
    the price of tasks, which is what they cost that loop, or another of the mechanism; and what would be \
    reached if the server's own code took no time.";

/// What a figure could be at most, as far as was measured beside it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Limits {
    /// What the best bare loop of the same technique reached, compared to the same; nothing if it is
    /// what it was compared to.
    pub(crate) bare_loop: Option<BareLoop>,
    /// The best of them at the price of tasks: what they cost it, or another loop of the mechanism.
    pub(crate) with_tasks: Option<f64>,
    /// What was reached, as if the server's own code took no time: over the kernel's share of it.
    pub(crate) without_own_code: Option<f64>,
}

/// A loop on bare system calls, as the limit of its mechanism.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BareLoop {
    pub(crate) server: String,
    pub(crate) reached: Quartiles,
}

impl Limits {
    pub(super) fn of(result: &CellResult, figure: Figure, server: &str, against: &str) -> Limits {
        let over = |name: &str, against: &str| compared(result, figure, name, against);
        let loops = bare_loops(server).iter().filter_map(|name| {
            Some(BareLoop { server: (*name).to_owned(), reached: over(name, against)? })
        });
        let loops: Vec<BareLoop> = loops.collect();
        let at_the_price_of_tasks = |bare_loop: &BareLoop| {
            let mut prices = price_of_tasks(&bare_loop.server).iter();
            let price = prices.find_map(|(with, without)| over(with, without))?;
            // What tasks save is noise.
            Some(bare_loop.reached.median * price.median.min(1.0))
        };
        let with_tasks: Option<Vec<f64>> = loops.iter().map(at_the_price_of_tasks).collect();
        let with_tasks = with_tasks.and_then(|all| all.into_iter().max_by(f64::total_cmp));
        let best = loops
            .into_iter()
            .max_by(|one, other| one.reached.median.total_cmp(&other.reached.median));
        let bare_loop = best.filter(|best| best.server != against);
        let kernel_share = || result.server(server)?.times.kernel_share();
        let without_own_code = match figure {
            Figure::Efficiency => over(server, against).zip(kernel_share()),
            _ => None,
        };
        Limits {
            bare_loop,
            with_tasks,
            without_own_code: without_own_code.map(|(reached, share)| reached.median / share),
        }
    }

    /// The closest that is known: a loop's, for other system calls may reach more than the server's own
    /// without any code.
    pub(super) fn closest(&self) -> Option<f64> {
        let bare_loop = self.bare_loop.as_ref().map(|bare_loop| bare_loop.reached.median);
        self.with_tasks.or(bare_loop).or(self.without_own_code)
    }

    /// In words, in the order of their names.
    pub(crate) fn in_words(&self) -> [String; LIMITS.len()] {
        let said = |it: &BareLoop| format!("{} {}", it.server, ratio(&it.reached));
        let bare_loop = self.bare_loop.as_ref().map(said);
        let [with_tasks, without_own_code] = [self.with_tasks, self.without_own_code]
            .map(|limit| limit.map(|limit| format!("{limit:.3}")));
        [bare_loop, with_tasks, without_own_code].map(Option::unwrap_or_default)
    }
}
