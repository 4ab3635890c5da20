//! `cargo bench`: the short comparison of `benches`, a package of its own.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(&cargo);
    command.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "benches",
        "--",
        "quick",
    ]);
    // cargo adds `--bench`, which is for libtest; what was given after `--` is for `quick`.
    command.args(std::env::args_os().skip(1).filter(|argument| argument != "--bench"));
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", cargo.display());
            ExitCode::FAILURE
        }
    }
}
