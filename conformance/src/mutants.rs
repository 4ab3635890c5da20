//! Proof that the cases bite: backends that are wrong on purpose, and the exact set of cases that
//! each of them must fail.
//!
//! A case that passes where it is not in the list is too weak, or the list is wrong; a case that
//! fails where it is not in the list checks something else than it says, or is flaky.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::fixture::Fixture;
use crate::runner::{Limits, Report, Suite, Verdict};

/// A backend that is wrong on purpose.
pub struct Mutant {
    name: &'static str,
    suite: Suite,
    fails: BTreeSet<u16>,
}

impl Mutant {
    /// The mutant `F`, and the numbers of the cases that it must fail: these and no others.
    #[must_use]
    pub fn new<F: Fixture>(fails: &[u16]) -> Mutant {
        let suite = Suite::new().fixture::<F>();
        Mutant { name: F::NAME, suite, fails: fails.iter().copied().collect() }
    }
}

/// Runs the whole suite against each mutant: the whole `main` of a test target with
/// `harness = false`. One test per mutant; it fails unless exactly the listed cases fail.
#[must_use]
pub fn main(mutants: Vec<Mutant>) -> ExitCode {
    if let Some(code) = mutants.iter().find_map(|mutant| mutant.suite.run_child()) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Each mutant already runs one case per processor.
    arguments.test_threads = Some(1);
    let limits = Limits::from_environment();
    // Mutants hang where they lose a wake-up; sound backends finish every case far sooner.
    let limits = Limits { watchdog: limits.watchdog.min(Duration::from_secs(8)), ..limits };
    let trials = mutants.into_iter().map(|mutant| trial(mutant, limits)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(mutant: Mutant, limits: Limits) -> Trial {
    Trial::test(mutant.name, move || {
        let report = mutant.suite.execute(limits);
        match difference(&mutant.fails, &report) {
            None => Ok(()),
            Some(text) => Err(Failed::from(text)),
        }
    })
}

/// What is wrong with the list, with what each unexpected failure said; `None` if it is right.
fn difference(expected: &BTreeSet<u16>, report: &Report) -> Option<String> {
    let failures = report.iter().filter_map(|case| match &case.verdict {
        Verdict::Failed(output) => Some((case, output)),
        Verdict::Passed | Verdict::Skipped(_) => None,
    });
    let failed: BTreeSet<u16> = failures.clone().map(|(case, _)| case.id).collect();
    // A case that could not be checked here, Racket's without Racket, proves nothing either way.
    let skipped = report.iter().filter(|case| matches!(case.verdict, Verdict::Skipped(_)));
    let skipped: BTreeSet<u16> = skipped.map(|case| case.id).collect();
    let missing: Vec<_> = expected.difference(&failed).filter(|id| !skipped.contains(id)).collect();
    let unexpected: Vec<_> = failed.difference(expected).collect();
    if missing.is_empty() && unexpected.is_empty() {
        return None;
    }
    let mut text = format!(
        "the mutant must fail exactly {expected:?}\nit passed {missing:?}, and failed {unexpected:?}\n",
    );
    for (case, output) in failures.filter(|(case, _)| !expected.contains(&case.id)) {
        _ = writeln!(text, "---- {} ----\n{output}", case.name); // a String never fails
    }
    Some(text)
}
