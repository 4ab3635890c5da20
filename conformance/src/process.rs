//! The parent's side of a case: its child process, its directory, its output and its watchdog.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::child::{CASE, DIRECTORY, NOTE, SKIP, SKIPPED};
use crate::runner::Verdict;

/// The longest directory whose name leaves room for the paths that cases make in it.
const LONGEST_DIRECTORY: usize = 48;

/// How a case's process ended, and what the case noted meanwhile.
pub(crate) struct Ended {
    pub(crate) verdict: Verdict,
    pub(crate) notes: Vec<String>,
}

/// Runs the case of this name in a child process, at most as long as the watchdog allows.
pub(crate) fn run(name: &str, watchdog: Duration, capture: bool) -> Ended {
    try_run(name, watchdog, capture).unwrap_or_else(|error| {
        let verdict = Verdict::Failed(format!("the case could not be started: {error}"));
        Ended { verdict, notes: Vec::new() }
    })
}

fn try_run(name: &str, watchdog: Duration, capture: bool) -> io::Result<Ended> {
    let directory = short_temporary_directory()?;
    let mut output = tempfile::tempfile()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .env(CASE, name)
        .env(DIRECTORY, directory.path())
        .stdin(Stdio::null())
        // A group of its own, so that the watchdog also ends the programs that the case started.
        .process_group(0);
    if capture {
        command.stdout(output.try_clone()?).stderr(output.try_clone()?);
    }
    let mut child = command.spawn()?;
    let hung = match wait(&child, watchdog) {
        Ok(()) => None,
        Err(Hung) => {
            let threads = describe_threads(child.id());
            kill_group(&child);
            Some(threads)
        }
    };
    let status = child.wait()?;
    restore_permissions(directory.path());
    let output = read_all(&mut output)?;
    let notes = output.lines().filter_map(|line| line.strip_prefix(NOTE));
    let notes = notes.map(str::to_owned).collect();
    if let Some(threads) = hung {
        let seconds = watchdog.as_secs_f32();
        let verdict = Verdict::Failed(format!("hung: killed after {seconds} s\n{threads}{output}"));
        return Ok(Ended { verdict, notes });
    }
    Ok(Ended { verdict: judge(status, output), notes })
}

fn judge(status: ExitStatus, output: String) -> Verdict {
    if status.success() {
        return Verdict::Passed;
    }
    if status.code() == Some(i32::from(SKIPPED)) {
        let reason = output.lines().rev().find_map(|line| line.strip_prefix(SKIP));
        return Verdict::Skipped(reason.unwrap_or("without a reason").to_owned());
    }
    match status.signal() {
        Some(signal) => Verdict::Failed(format!("killed by signal {signal}\n{output}")),
        None => Verdict::Failed(output),
    }
}

struct Hung;

/// Waits until the child has ended, and leaves it to be reaped: until then its process id can't
/// be given to another process, so that killing it is safe.
fn wait(child: &Child, at_most: Duration) -> Result<(), Hung> {
    let process = pid(child);
    let (ended, wait) = mpsc::channel();
    thread::spawn(move || {
        while waitid(Id::Pid(process), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
            == Err(Errno::EINTR)
        {}
        _ = ended.send(()); // nobody waits any more if the watchdog was first
    });
    match wait.recv_timeout(at_most) {
        Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
        Err(RecvTimeoutError::Timeout) => Err(Hung),
    }
}

fn kill_group(child: &Child) {
    // The group is the child's own and exists until the child is reaped, which happens after this.
    _ = killpg(pid(child), Signal::SIGKILL);
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id is a pid_t"))
}

/// Where each thread of a hung process waits in the kernel, for the message.
fn describe_threads(process: u32) -> String {
    let mut text = String::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return text };
    for task in tasks.flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let (name, place) = (read("comm"), read("wchan"));
        _ = writeln!(text, "  thread {} waits in {place}", name.trim_end()); // a String never fails
    }
    text
}

fn read_all(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Cases need room for paths of exactly 107 bytes, so a long `TMPDIR` is not used.
fn short_temporary_directory() -> io::Result<TempDir> {
    let given = std::env::temp_dir();
    let short = given.as_os_str().len() <= LONGEST_DIRECTORY;
    let parent = if short { given } else { PathBuf::from("/tmp") };
    tempfile::Builder::new().prefix("ut").tempdir_in(parent)
}

/// A case may have taken rights away from the directory that it was given.
fn restore_permissions(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for path in [directory.to_owned(), directory.join("closed")] {
        _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700)); // it may not exist
    }
}
