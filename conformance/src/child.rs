//! Inside the child process: runs one case, and counts descriptors and threads around it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::case::Outcome;
use crate::census::Census;

/// Names the case that a child process shall run.
pub(crate) const CASE: &str = "CONFORMANCE_CASE";
/// Names the part that a further process of a case plays; see [`Context::role`](crate::Context::role).
pub(crate) const ROLE: &str = "CONFORMANCE_ROLE";
/// The temporary directory that the parent made for the case, and removes.
pub(crate) const DIRECTORY: &str = "CONFORMANCE_DIRECTORY";

/// The exit code of a skipped case.
pub(crate) const SKIPPED: u8 = 77;
/// What the line with the reason of a skip begins with.
pub(crate) const SKIP: &str = "SKIP ";
/// What a line begins with that the summary shows also if the case passes.
pub(crate) const NOTE: &str = "NOTE ";
/// The exit code of a failed case: that of a Rust program that panicked.
const FAILED: u8 = 101;

/// Runs the case in this process. Never outlives the parent.
pub(crate) fn run(case: &dyn Fn() -> Outcome) -> ExitCode {
    prctl::set_pdeathsig(Signal::SIGKILL).expect("SIGKILL is a signal");
    let before = Census::take();
    // A panic must first drop what the case holds; its message is on standard error by then.
    match catch_unwind(AssertUnwindSafe(case)) {
        Ok(Outcome::Skip(reason)) => {
            println!("{SKIP}{reason}");
            ExitCode::from(SKIPPED)
        }
        Ok(Outcome::Pass) => match catch_unwind(|| before.assert_unchanged()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(FAILED),
        },
        Err(_) => ExitCode::from(FAILED),
    }
}
