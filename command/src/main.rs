//! The program `unix-transport`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
