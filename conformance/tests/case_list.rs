//! The table of cases in `docs/semantics.md` and the suite's own list are the same.

use std::collections::BTreeMap;

use backend_epoll::Epoll;
use conformance::{Fixture, cases};

/// Any fixture: the list does not depend on it.
struct OnEpoll;

impl Fixture for OnEpoll {
    const NAME: &'static str = "epoll";
    type Backend = Epoll;
}

/// The names by number, of the rows that say that the suite has the case.
fn documented() -> BTreeMap<u16, String> {
    let text = include_str!("../../docs/semantics.md");
    let mut names = BTreeMap::new();
    for row in text.lines() {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _topic, name, "yes", ..] = cells[..] else { continue };
        let number = number.parse().expect("a row of the table of cases begins with its number");
        let before = names.insert(number, name.to_owned());
        assert_eq!(before, None, "case {number} is in the table twice");
    }
    names
}

#[test]
fn the_documented_cases_are_those_of_the_suite() {
    let mut implemented = BTreeMap::new();
    for case in cases::all::<OnEpoll>() {
        let before = implemented.insert(case.id, case.name.to_owned());
        assert_eq!(before, None, "case {} is in the suite twice", case.id);
    }
    // Case 141 takes two fixtures, so it is not in a fixture's list; case 0 is about the fixture
    // and not about a rule.
    implemented.insert(141, "one_transcript".to_owned());
    implemented.remove(&0);
    let documented = documented();
    let only_documented: Vec<_> =
        documented.iter().filter(|(id, name)| implemented.get(id) != Some(name)).collect();
    let only_implemented: Vec<_> =
        implemented.iter().filter(|(id, name)| documented.get(id) != Some(name)).collect();
    assert!(
        only_documented.is_empty() && only_implemented.is_empty(),
        "only in docs/semantics.md: {only_documented:?}\nonly in the suite: {only_implemented:?}",
    );
}
