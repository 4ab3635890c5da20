//! What all peers share, so that a peer's own source is its echo server and nothing else: the
//! command line, the end with the parent process, and the line that says that it listens.
//!
//! A peer is started as `peer-NAME [--sink] [--threads N] PARENT PATH`, or asked for its `--version`.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// How much a server reads at once, in bytes: the same everywhere, and as our own servers do.
pub const BUFFER: usize = 64 * 1024;

/// A buffer of [`BUFFER`] bytes that begins at a cache line, as those of our own servers do: the kernel
/// copies to and from it a little faster. For servers that lend slices; others have a `Vec`.
#[derive(Debug)]
pub struct Buffer {
    memory: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// Zeros, whose pages become real when they are first used.
    #[must_use]
    pub fn zeroed() -> Buffer {
        const LINE: usize = 64;
        let memory = vec![0; BUFFER + LINE - 1];
        let start = memory.as_ptr().align_offset(LINE);
        Buffer { memory, start }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + BUFFER]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + BUFFER]
    }
}

/// Anything that ends a server: runtimes have errors of their own.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// What a server does with the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends them back.
    Echo,
    /// Reads to the end, and answers how many they were: 8 bytes, the lowest first.
    Sink,
}

/// What a server is asked to do.
#[derive(Debug)]
pub struct Task {
    service: Service,
    threads: usize,
    path: PathBuf,
}

impl Task {
    /// What to do with the bytes of a connection.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// How many threads may serve connections.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Where to listen.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that the socket exists and takes connections. To be called once.
    pub fn listens(&self) {
        let service = match self.service {
            Service::Echo => "echo",
            Service::Sink => "sink",
        };
        // Whoever started this waits for the line; if nobody reads it, nobody waits.
        _ = writeln!(std::io::stdout(), "{service} server listens on {}", self.path.display());
    }
}

/// The whole of a peer's `main`: reads the command line, sees to it that this process ends with
/// its parent, and calls `serve`, which should not return.
///
/// `version` is the runtime's name and version, best by [`version_of!`]. `most_threads` is how many
/// threads `serve` can use; more are refused, and so is any service but the echo.
pub fn run(version: &str, most_threads: usize, serve: impl FnOnce(Task) -> Result) -> ExitCode {
    run_services(version, &[Service::Echo], most_threads, serve)
}

/// The same with the services that `serve` has.
pub fn run_services(
    version: &str,
    services: &[Service],
    most_threads: usize,
    serve: impl FnOnce(Task) -> Result,
) -> ExitCode {
    match parse(std::env::args_os().skip(1), services, most_threads) {
        Ok(Command::Version) => {
            _ = writeln!(std::io::stdout(), "{version}"); // nobody is left to tell
            ExitCode::SUCCESS
        }
        Ok(Command::Serve { parent, task }) => match end_with(parent).and_then(|()| serve(task)) {
            Ok(()) => fail(version, "it stopped serving", ExitCode::FAILURE),
            Err(error) => fail(version, error, ExitCode::FAILURE),
        },
        Err(misuse) => fail(version, misuse, ExitCode::from(2)),
    }
}

/// The name and the version of a package that the calling package depends on, as its `Cargo.lock`
/// has them: a `String` such as `tokio 1.54.1`.
#[macro_export]
macro_rules! version_of {
    ($package:literal) => {
        $crate::locked_version(
            $package,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")),
        )
    };
}

/// What [`version_of!`] expands to: looks `package` up in the text of a `Cargo.lock`.
#[must_use]
pub fn locked_version(package: &str, lock: &str) -> String {
    let before = format!("name = \"{package}\"\nversion = \"");
    let version = lock.split_once(&before).and_then(|(_, rest)| rest.split_once('"'));
    version.map_or_else(
        || format!("{package} (no version in Cargo.lock)"),
        |(version, _)| format!("{package} {version}"),
    )
}

enum Command {
    Version,
    Serve { parent: i32, task: Task },
}

fn parse(
    mut arguments: impl Iterator<Item = OsString>,
    services: &[Service],
    most_threads: usize,
) -> std::result::Result<Command, String> {
    const USAGE: &str = "usage: [--sink] [--threads N] PARENT PATH, or --version";
    let mut first = arguments.next().ok_or(USAGE)?;
    if first == "--version" {
        return Ok(Command::Version);
    }
    let mut service = Service::Echo;
    if first == "--sink" {
        service = Service::Sink;
        first = arguments.next().ok_or(USAGE)?;
    }
    if !services.contains(&service) {
        return Err("it only echoes".to_owned());
    }
    let mut threads = 1;
    if first == "--threads" {
        threads = number(arguments.next()).ok_or(USAGE)?;
        first = arguments.next().ok_or(USAGE)?;
    }
    if !(1..=most_threads).contains(&threads) {
        return Err(format!("{threads} threads: it serves with 1 to {most_threads}"));
    }
    let parent = number(Some(first)).ok_or(USAGE)?;
    let path = arguments.next().ok_or(USAGE)?.into();
    match arguments.next() {
        None => Ok(Command::Serve { parent, task: Task { service, threads, path } }),
        Some(_) => Err(USAGE.to_owned()),
    }
}

fn number<N: std::str::FromStr>(argument: Option<OsString>) -> Option<N> {
    argument?.to_str()?.parse().ok()
}

/// Ends this process when its parent ends. SIGKILL, because there is nothing to clean up and no
/// runtime can be in its way.
fn end_with(parent: i32) -> Result {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // It may have ended before it was watched; its children have another parent then.
    if getppid().as_raw() == parent { Ok(()) } else { Err("the parent process ended".into()) }
}

fn fail(version: &str, why: impl Display, code: ExitCode) -> ExitCode {
    _ = writeln!(std::io::stderr(), "{version}: {why}"); // nobody is left to tell
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str], most_threads: usize) -> std::result::Result<Command, String> {
        parse(arguments.iter().map(OsString::from), &[Service::Echo], most_threads)
    }

    #[test]
    fn a_server_is_told_where_and_for_whom() {
        let Ok(Command::Serve { parent, task }) = parsed(&["17", "/run/x"], 1) else {
            panic!("not understood")
        };
        assert_eq!((parent, task.threads(), task.path()), (17, 1, Path::new("/run/x")));
        assert_eq!(task.service(), Service::Echo);
        let Ok(Command::Serve { task, .. }) = parsed(&["--threads", "2", "17", "/run/x"], 2) else {
            panic!("not understood")
        };
        assert_eq!(task.threads(), 2);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for arguments in
            [&[][..], &["17"], &["x", "/run/x"], &["17", "/run/x", "more"], &["--threads"]]
        {
            assert!(parsed(arguments, 1).is_err(), "{arguments:?}");
        }
        assert!(parsed(&["--threads", "2", "17", "/run/x"], 1).is_err());
        assert!(parsed(&["--threads", "0", "17", "/run/x"], 1).is_err());
        assert!(parsed(&["--sink", "17", "/run/x"], 1).is_err());
    }

    #[test]
    fn a_sink_must_be_one_of_the_services() {
        let arguments = ["--sink", "--threads", "2", "17", "/run/x"].map(OsString::from);
        let services = [Service::Echo, Service::Sink];
        let Ok(Command::Serve { task, .. }) = parse(arguments.into_iter(), &services, 2) else {
            panic!("not understood")
        };
        assert_eq!((task.service(), task.threads()), (Service::Sink, 2));
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"tokio\"\nversion = \"1.2.3\"\nsource = \"x\"\n";
        assert_eq!(locked_version("tokio", lock), "tokio 1.2.3");
        assert_eq!(locked_version("mio", lock), "mio (no version in Cargo.lock)");
    }
}
