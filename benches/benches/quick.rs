//! `cargo bench`: the program's `quick`, built by this profile.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // cargo adds `--bench`, which is for libtest; what was given after `--` is for `quick`.
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--bench");
    let program = env!("CARGO_BIN_EXE_benches");
    match Command::new(program).arg("quick").args(arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
