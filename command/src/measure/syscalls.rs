//! How many system calls a server makes for a message, counted by strace(1).
//!
//! A pass of its own, because a traced server is many times slower: none of its other figures
//! means anything. It also finds more work each time it waits, so that what a server does once for
//! many messages (`epoll_wait`, `io_uring_enter`) is counted at its best.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::generator::Remote;
use super::server::Server;
use super::workload::Workload;
use crate::failure::{Failure, Result};

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Syscalls {
    /// System calls of all the server's threads for each message of the workload.
    PerMessage(f64),
    /// They cannot be counted here; the reason.
    Unavailable(String),
}

/// Loads `server` for `length` while strace counts. Its connections are opened before that and
/// closed after it.
///
/// # Errors
/// Those of the server without strace. That strace is absent, that it may not trace, or that the
/// server fails under it, is an answer.
pub fn per_message(server: &mut Server, workload: Workload, length: Duration) -> Result<Syscalls> {
    if let Workload::OpenLoop { .. } = workload {
        let reason = "a traced server is too slow for messages by the clock";
        return Ok(Syscalls::Unavailable(reason.to_owned()));
    }
    let generator = Remote::connect(workload, server.path());
    let mut generator = generator.map_err(|error| server.explain(&error))?;
    let counted = count(server, &mut generator, length);
    counted.map_err(|error| Failure::new("count system calls", error))
}

fn count(server: &mut Server, generator: &mut Remote, length: Duration) -> io::Result<Syscalls> {
    let tracer = match Tracer::attach(server.pid()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Syscalls::Unavailable("strace is not installed".to_owned()));
        }
        attached => attached?,
    };
    if !tracer.first.contains(" attached") {
        return Ok(Syscalls::Unavailable(tracer.first.trim().to_owned()));
    }
    let ran = match generator.run(length, false) {
        Ok(ran) => ran,
        Err(error) => {
            let reason = format!("under strace: {}", server.explain(&error));
            return Ok(Syscalls::Unavailable(reason));
        }
    };
    let summary = tracer.finish()?;
    Ok(match total(&summary) {
        Some(calls) => Syscalls::PerMessage(calls as f64 / ran.volume.messages.max(1) as f64),
        None => Syscalls::Unavailable(format!("strace says: {}", summary.trim())),
    })
}

/// A strace. Dropping it detaches: the kernel does, when a tracer ends.
struct Tracer {
    child: Child,
    /// Its first line: that it has attached to all threads, or why it has not.
    first: String,
    /// All that it says, in the end. It is read all the time, because it has a line for each new
    /// thread, and a full pipe would stop it and the server with it.
    said: Option<JoinHandle<io::Result<String>>>,
}

impl Tracer {
    /// Starts strace and waits for its first line.
    fn attach(pid: Pid) -> io::Result<Tracer> {
        let mut command = Command::new("strace");
        command.args(["--follow-forks", "--summary-only", "--summary-columns=calls,name"]);
        command.arg("--attach").arg(pid.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stderr.take();
        let mut tracer = Tracer { child, first: String::new(), said: None };
        let output = output.ok_or_else(|| io::Error::other("strace without its output"))?;
        let (tell, told) = mpsc::channel();
        tracer.said = Some(thread::Builder::new().spawn(move || read_all(output, &tell))?);
        // Without a line the thread has met an error, which `finish` would find.
        tracer.first = told.recv().unwrap_or_default();
        Ok(tracer)
    }

    /// Has strace detach, and answers what it said, its summary at the end.
    fn finish(mut self) -> io::Result<String> {
        // Lossless: Linux has at most 2^22 process ids.
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT)?;
        let said = self.said.take().and_then(|reading| reading.join().ok());
        said.unwrap_or_else(|| Err(io::Error::other("nobody has read what strace says")))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Both fail only if the process was waited for already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Everything that `output` has to say; the first line also to `tell`, at once.
fn read_all(output: ChildStderr, tell: &Sender<String>) -> io::Result<String> {
    let mut output = BufReader::new(output);
    let mut said = String::new();
    output.read_line(&mut said)?;
    _ = tell.send(said.clone()); // whoever asked waits for it
    output.read_to_string(&mut said)?;
    Ok(said)
}

/// The sum of a summary whose rows are counts and names; `None` if there is no such row.
fn total(summary: &str) -> Option<u64> {
    let rows = summary.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let count = words.next()?.parse::<u64>().ok()?;
        words.next().filter(|&name| name != "total").map(|_| count)
    });
    rows.fold(None, |sum, count| Some(sum.unwrap_or(0) + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_added_up() {
        let summary = "strace: Process 14212 detached\n    calls syscall\n--------- ---------\n      \
                       100 recvfrom\n       99 sendto\n--------- ---------\n      199 total\n";
        assert_eq!(total(summary), Some(199));
        assert_eq!(total("strace: attach: Operation not permitted\n"), None);
    }
}
