//! Heats: which servers of a cell are alive at the same time, when all of them would be too many.
//!
//! A server with many neighbours begins each slice with caches and memory that they have used, which
//! servers on real machines do not. So all are dealt into heats; those that the others are
//! compared with take part in each.

use crate::results::control_of;

/// How many servers may be alive together.
const MOST: usize = 17;

/// Who takes part in every heat, beside the baseline and its control: ours, which are compared with
/// everybody, and what they are held against in most cells, so that these have the most slices.
const IN_EACH: [&str; 9] = [
    "epoll",
    "uring",
    "uring-owned",
    "uring-borrowed",
    "blocking",
    "raw-epoll",
    "raw-ring-owned",
    "raw-ring-borrowed",
    "mio",
];

/// Deals the servers with these names into as few heats as there must be: each is a list of
/// places in `names`, in their order.
pub(crate) fn deal(names: &[&str], baseline: &str) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..names.len()).collect();
    if names.len() <= MOST {
        return vec![all];
    }
    let control = control_of(baseline);
    let is_in_each =
        |at: &usize| IN_EACH.contains(&names[*at]) || [baseline, &control].contains(&names[*at]);
    let (regulars, guests): (Vec<usize>, Vec<usize>) = all.into_iter().partition(is_in_each);
    let room = MOST.saturating_sub(regulars.len()).max(1);
    let heats = guests.len().div_ceil(room);
    // The last has the fewest guests.
    guests
        .chunks(guests.len().div_ceil(heats))
        .map(|guests| {
            let mut heat = [&regulars, guests].concat();
            heat.sort_unstable();
            heat
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(others: usize) -> Vec<String> {
        let regulars = ["tokio"].into_iter().chain(IN_EACH).map(ToOwned::to_owned);
        let others = (0..others).map(|number| format!("other-{number}"));
        regulars.chain(others).chain([control_of("tokio")]).collect()
    }

    fn dealt(names: &[String]) -> Vec<Vec<&str>> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let heats = deal(&names, "tokio");
        heats.iter().map(|heat| heat.iter().map(|at| names[*at]).collect()).collect()
    }

    #[test]
    fn few_are_alive_together() {
        let names = names(MOST - IN_EACH.len() - 2);
        assert_eq!(dealt(&names), [names.as_slice()]);
    }

    #[test]
    fn many_are_dealt_and_the_regulars_are_in_each_heat() {
        let names = names(21);
        let heats = dealt(&names);
        assert_eq!(heats.len(), 4);
        for heat in &heats {
            assert!(heat.len() <= MOST);
            assert_eq!((heat.first(), heat.last()), (Some(&"tokio"), Some(&"tokio-again")));
            assert!(IN_EACH.iter().all(|name| heat.contains(name)));
        }
        for other in names.iter().filter(|name| name.starts_with("other")) {
            let of = heats.iter().filter(|heat| heat.contains(&other.as_str()));
            assert_eq!(of.count(), 1, "{other}");
        }
    }
}
