//! The runner: one test per case and fixture, each in a child process of its own.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use transport_core::{Availability, Backend};

use crate::case::{Case, Outcome};
use crate::cases;
use crate::child;
use crate::context::Context;
use crate::fixture::Fixture;
use crate::process::{self, Ended};

/// Runs every case against `F`: the whole `main` of a test target with `harness = false`.
#[must_use]
pub fn main<F: Fixture>() -> ExitCode {
    Suite::new().fixture::<F>().main()
}

/// Which cases run: those of one or more fixtures.
#[derive(Default)]
pub struct Suite {
    entries: Vec<Entry>,
    /// How many cases do not apply, by group.
    not_applicable: BTreeMap<String, usize>,
}

/// One case of one fixture.
struct Entry {
    group: String,
    id: u16,
    name: String,
    alone: bool,
    run: Box<dyn Fn() -> Outcome + Send>,
}

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule holds.
    Passed,
    /// It could not be checked, for this reason.
    Skipped(String),
    /// The rule is broken; this is what the case printed.
    Failed(String),
}

/// How the cases of a suite ended.
pub type Report = Vec<CaseReport>;

/// How one case ended, and which it was.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The fixture's name.
    pub group: String,
    /// The case's number.
    pub id: u16,
    /// The whole name: `epoll::027_missing`.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What it measured, where it said so.
    pub notes: Vec<String>,
}

/// What bounds a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// After this a case counts as hung and is killed.
    pub watchdog: Duration,
    /// Whether a skipped case is a failure.
    pub strict: bool,
    /// How many cases run at once.
    pub threads: usize,
}

impl Limits {
    /// What the environment says: `CONFORMANCE_WATCHDOG` in seconds (20), `CONFORMANCE_STRICT`;
    /// one case per processor.
    #[must_use]
    pub fn from_environment() -> Limits {
        let watchdog = std::env::var("CONFORMANCE_WATCHDOG")
            .ok()
            .and_then(|seconds| seconds.parse().ok())
            .and_then(|seconds| Duration::try_from_secs_f32(seconds).ok())
            .unwrap_or(Duration::from_secs(20));
        let strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Limits { watchdog, strict, threads }
    }
}

impl Suite {
    /// A suite without cases.
    #[must_use]
    pub fn new() -> Suite {
        Suite::default()
    }

    /// Adds every case that applies to `F`.
    #[must_use]
    pub fn fixture<F: Fixture>(self) -> Suite {
        self.cases(F::NAME, cases::all::<F>())
    }

    /// Adds those of `cases` that apply to `F`, under the name `group`.
    #[must_use]
    pub fn cases<F: Fixture>(mut self, group: &str, cases: Vec<Case<F>>) -> Suite {
        let not_applicable = self.not_applicable.entry(group.to_owned()).or_default();
        for case in cases {
            if !F::capabilities().contains(case.needs.capabilities) {
                *not_applicable += 1;
                continue;
            }
            self.entries.push(Entry {
                group: group.to_owned(),
                id: case.id,
                name: format!("{group}::{}", case.label()),
                alone: case.needs.alone,
                run: Box::new(move || match F::Backend::probe() {
                    Availability::Yes(_) => (case.run)(&mut Context::new()),
                    Availability::No(why) => Outcome::skip(why),
                }),
            });
        }
        self
    }

    /// Runs what the command line asks for, as every Rust test does, and prints per fixture how
    /// many cases passed, were skipped and do not apply. In a child process: runs its one case.
    #[must_use]
    pub fn main(self) -> ExitCode {
        if let Some(code) = self.run_child() {
            return code;
        }
        let arguments = Arguments::from_args();
        let limits = Limits::from_environment();
        let reports = Arc::new(Mutex::new(Report::new()));
        let gate = Arc::new(RwLock::new(()));
        let trials = self
            .entries
            .into_iter()
            .map(|entry| trial(entry, limits, !arguments.nocapture, &gate, &reports))
            .collect();
        let conclusion = libtest_mimic::run(&arguments, trials);
        if !arguments.list {
            print_summary(&locked(&reports), &self.not_applicable);
        }
        conclusion.exit_code()
    }

    /// If this process is the child that shall run one case of this suite, runs it. For those
    /// who [`execute`](Self::execute) suites themselves: call this first in `main`.
    #[must_use]
    pub fn run_child(&self) -> Option<ExitCode> {
        let name = std::env::var(child::CASE).ok()?;
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some(child::run(&entry.run))
    }

    /// Runs all cases, each in its child process, and answers how each ended.
    #[must_use]
    pub fn execute(&self, limits: Limits) -> Report {
        let gate = RwLock::new(());
        let (give, take) = mpsc::channel();
        for entry in &self.entries {
            give.send((entry.group.clone(), entry.id, entry.name.clone(), entry.alone))
                .expect("the receiver is below");
        }
        drop(give);
        let take = Mutex::new(take);
        let report = Mutex::new(Report::new());
        thread::scope(|scope| {
            for _ in 0..limits.threads {
                scope.spawn(|| {
                    loop {
                        let next = locked(&take).recv();
                        let Ok((group, id, name, alone)) = next else { return };
                        let Ended { verdict, notes } =
                            gated(&gate, alone, || process::run(&name, limits.watchdog, true));
                        locked(&report).push(CaseReport { group, id, name, verdict, notes });
                    }
                });
            }
        });
        report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn trial(
    entry: Entry,
    limits: Limits,
    capture: bool,
    gate: &Arc<RwLock<()>>,
    reports: &Arc<Mutex<Report>>,
) -> Trial {
    let (gate, reports) = (Arc::clone(gate), Arc::clone(reports));
    let Entry { group, id, name, alone, .. } = entry;
    Trial::ignorable_test(name.clone(), move || {
        let Ended { verdict, notes } =
            gated(&gate, alone, || process::run(&name, limits.watchdog, capture));
        locked(&reports).push(CaseReport { group, id, name, verdict: verdict.clone(), notes });
        match verdict {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped(reason) if limits.strict => {
                Err(Failed::from(format!("SKIP {reason}")))
            }
            Verdict::Skipped(reason) => Ok(Completion::ignored_with(format!("SKIP {reason}"))),
            Verdict::Failed(output) => Err(Failed::from(output)),
        }
    })
}

/// Runs `body` beside others, or alone.
fn gated<T>(gate: &RwLock<()>, alone: bool, body: impl FnOnce() -> T) -> T {
    if alone {
        let _gate = gate.write().unwrap_or_else(PoisonError::into_inner);
        body()
    } else {
        let _gate = gate.read().unwrap_or_else(PoisonError::into_inner);
        body()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn print_summary(report: &[CaseReport], not_applicable: &BTreeMap<String, usize>) {
    for skipped in report {
        if let Verdict::Skipped(reason) = &skipped.verdict {
            println!("SKIP {}: {reason}", skipped.name);
        }
    }
    for case in report {
        for note in &case.notes {
            println!("NOTE {}: {note}", case.name);
        }
    }
    for (group, not_applicable) in not_applicable {
        let count = |wanted: fn(&Verdict) -> bool| {
            report.iter().filter(|case| case.group == *group && wanted(&case.verdict)).count()
        };
        println!(
            "{group}: {} passed, {} failed, {} skipped, {not_applicable} not applicable",
            count(|verdict| matches!(verdict, Verdict::Passed)),
            count(|verdict| matches!(verdict, Verdict::Failed(_))),
            count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        );
    }
}
