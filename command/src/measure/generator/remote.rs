//! The parent's side of a generator in a process of its own.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::latencies;
use super::process::{Answer, Answered, Ran, Request, SUBCOMMAND};
use crate::measure::Workload;

/// A generator with its connections open. It runs on the core that the thread which started it
/// was on, and ends with that thread; dropping this ends it.
#[derive(Debug)]
pub struct Remote {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts this program again as a generator ([`super::process`]), and blocks until it has
    /// opened all connections of `workload` to the server at `path`.
    ///
    /// # Errors
    /// What the generator says, as [`Load::connect`](super::Load::connect); those of starting it.
    pub fn connect(workload: Workload, path: &Path) -> io::Result<Remote> {
        // The very file that this process runs, even if a new build has taken its name.
        let mut command = Command::new("/proc/self/exe");
        command.arg(SUBCOMMAND).arg(path).arg(serde_json::to_string(&workload)?);
        // A process group of its own: Ctrl-C on a terminal reaches the parent only, which then
        // ends it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(requests), Some(answers)) = pipes else {
            return Err(io::Error::other("a generator without pipes"));
        };
        let mut remote = Remote { child, requests, answers: BufReader::new(answers) };
        match remote.answer()? {
            Answered::Connected => Ok(remote),
            other => Err(unexpected(&other)),
        }
    }

    /// Loads the server for `length`, and blocks until everything is back. The latencies are kept
    /// if it `counts`.
    ///
    /// # Errors
    /// As [`Load::run`](super::Load::run), as text; a generator that ended.
    pub fn run(&mut self, length: Duration, counts: bool) -> io::Result<Ran> {
        match self.ask(Request::Run { length, counts })? {
            Answered::Ran(ran) => Ok(ran),
            other => Err(unexpected(&other)),
        }
    }

    /// The latencies of all slices that counted, in nanoseconds.
    ///
    /// # Errors
    /// A generator that ended.
    pub fn latencies(&mut self) -> io::Result<Histogram<u64>> {
        match self.ask(Request::Latencies)? {
            Answered::Latencies(counts) => latencies::from_counts(&counts),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, request: Request) -> io::Result<Answered> {
        self.requests.write_all(format!("{}\n", serde_json::to_string(&request)?).as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answered> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            return Err(io::Error::other(format!("the load generator ended: {status}")));
        }
        serde_json::from_str::<Answer>(&line)?.map_err(io::Error::other)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Both fail only if the process was waited for already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn unexpected(answer: &Answered) -> io::Error {
    io::Error::other(format!("the load generator answers something else: {answer:?}"))
}
