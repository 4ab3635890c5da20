//! Counting: this program again, walking one path under callgrind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use command::failure::{Failure, Result};

/// Runs `work`; its instructions are the ones that are counted. Its name is what
/// [`instructions`] tells callgrind, so that nothing needs to be linked in.
#[inline(never)]
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> T {
    std::hint::black_box(work())
}

/// How many instructions the path of this name takes in [`counted`], in all its operations.
/// Callgrind's profile stays in `target/instructions/`.
pub(crate) fn instructions(path: &str) -> Result<u64> {
    let profile = folder()?.join(format!("{path}.callgrind"));
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::new("find this program", error))?;
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind", "--toggle-collect=*valgrind::counted*"]);
    command.arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(program).args(["--walk", path]);
    let status = command.status().map_err(|error| Failure::new("run valgrind", error))?;
    if !status.success() {
        return Err(Failure::new(format_args!("count {path}"), status));
    }
    match total(&profile)? {
        0 => Err(Failure::new(format_args!("count {path}"), "callgrind saw nothing of it")),
        total => Ok(total),
    }
}

/// The total of a profile, from its line `totals: N`.
fn total(profile: &Path) -> Result<u64> {
    let failed = |cause: &dyn std::fmt::Display| {
        Failure::new(format_args!("read {}", profile.display()), cause)
    };
    let text = fs::read_to_string(profile).map_err(|error| failed(&error))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.ok_or_else(|| failed(&"no line of totals"))?;
    total.trim().parse().map_err(|error| failed(&error))
}

/// `target/instructions/`: this program is in `target/release/deps/`.
fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::new("find this program", error))?;
    let target = program.ancestors().nth(3).unwrap_or(Path::new("."));
    let folder = target.join("instructions");
    let made = fs::create_dir_all(&folder);
    made.map_err(|error| Failure::new(format_args!("make {}", folder.display()), error))?;
    Ok(folder)
}
