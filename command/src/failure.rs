//! Why the command ends with something other than success: one line, and an exit code.
//!
//! Every failure is one line on standard error, `unix-transport: OPERATION ADDRESS: CAUSE`.

use std::fmt;
use std::io;
use std::process::ExitCode;

use unix_transport::Error;

/// The result of everything that the command does.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why the command ends early.
#[derive(Debug)]
pub enum Failure {
    /// Something did not work; the text names the operation, its object and the cause. Exit code 1.
    Operation(String),
    /// The command line makes no sense. Exit code 2.
    Usage(String),
    /// Whoever read standard output has stopped reading (`| head`): not an error, and nobody is
    /// left to tell. Exit code 0.
    OutputClosed,
}

impl Failure {
    /// The failure of `operation`, which names its object: `read from /run/x.sock`.
    pub fn new(operation: impl fmt::Display, cause: impl fmt::Display) -> Failure {
        Failure::Operation(format!("{operation}: {cause}"))
    }

    /// The failure of writing to standard output.
    #[must_use]
    pub fn of_output(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::new("write to standard output", error),
        }
    }

    /// Says it on standard error, and answers the exit code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        let code = match self {
            Failure::Operation(_) => ExitCode::FAILURE,
            Failure::Usage(_) => ExitCode::from(2),
            Failure::OutputClosed => return ExitCode::SUCCESS,
        };
        warn(self);
        code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Operation(text) | Failure::Usage(text) => f.write_str(text),
            Failure::OutputClosed => f.write_str("standard output is closed"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Operation(error.to_string())
    }
}

/// Says one line on standard error, as every program that is part of a pipeline does. Cannot
/// fail: if standard error is gone, nobody wants to hear.
pub fn warn(text: impl fmt::Display) {
    use io::Write as _;
    // One write, so that the lines of several processes do not mix.
    let line = format!("unix-transport: {text}\n");
    _ = io::stderr().write_all(line.as_bytes()); // nobody is left to tell
}
