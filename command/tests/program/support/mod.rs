//! Starting the program, and what every test needs of it.

mod server;

pub(crate) use server::Server;

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_unix-transport");

/// How long anything may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The backends that work here; the others are said.
pub(crate) fn backends() -> Vec<&'static str> {
    let mut working = Vec::new();
    for (name, availability) in unix_transport::backends() {
        match availability.is_yes() {
            true => working.push(name),
            false => skip(format_args!("{name} is unavailable: {availability}")),
        }
    }
    working
}

/// A directory that goes with the value.
pub(crate) fn directory() -> TempDir {
    tempfile::Builder::new().prefix("unix-transport-test-").tempdir().expect("a directory")
}

/// Runs the program to its end.
pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    finish(Command::new(PROGRAM).args(arguments), b"")
}

/// Runs `command` to its end, with `input`.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.env_remove("UNIX_TRANSPORT_BACKEND").spawn().expect("it starts");
    let mut writer = child.stdin.take().expect("piped");
    let input = input.to_owned();
    thread::scope(|scope| {
        // A program that fails at once does not read its input.
        scope.spawn(move || _ = writer.write_all(&input));
        child.wait_with_output().expect("it ends")
    })
}

/// The failure that `output` must be: this exit code, nothing on standard output, one line.
#[track_caller]
pub(crate) fn one_line(output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).expect("text");
    assert!(output.stdout.is_empty(), "{output:?}");
    one_line_of(output.status, &said, code)
}

/// The same of a program that ended with `status` and `said` this.
#[track_caller]
pub(crate) fn one_line_of(status: ExitStatus, said: &str, code: i32) -> String {
    assert_eq!(status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "one line, not {said:?}");
    assert!(said.starts_with("unix-transport: "), "{said:?}");
    assert!(!said.contains("panicked"), "{said:?}");
    said.trim_end().to_owned()
}

/// What is in a directory.
pub(crate) fn contents(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// Waits until `done`; a hang is a failure that says what was waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "still waiting until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Says that something is not tested here, past the harness, which shows only what fails. In
/// strict mode nothing may be skipped.
pub(crate) fn skip(why: impl fmt::Display) {
    let strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
    assert!(!strict, "skipped in strict mode: {why}");
    let line = format!("SKIP {why}\n");
    _ = io::stderr().write_all(line.as_bytes()); // nobody is left to tell
}

/// Whether a program can be started; if not, that is said, with how to install it.
pub(crate) fn is_installed(program: &str, package: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let installed = command.status().is_ok_and(|status| status.success());
    if !installed {
        skip(format_args!("{program} is not installed (apt-get install {package})"));
    }
    installed
}
