//! A server under measurement: a child process that says when it listens, whose CPU time can be
//! read, and which ends with its parent whatever happens.
//!
//! The child must watch its parent (`serve --parent`), so that it ends even if this process is
//! killed. Children are ended by their process id, which cannot be another's before it was waited
//! for.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use super::accounting::{self, Switches, Times};
use crate::failure::{Failure, Result};

/// How long a server may take until it listens, and to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server. Dropping it kills the process and waits for it.
#[derive(Debug)]
pub struct Server {
    name: String,
    path: PathBuf,
    child: Child,
    clock: ClockId,
}

impl Server {
    /// Starts `command`, which must listen at `path`, then write one line to standard output, and
    /// stop on SIGTERM or when this process ends. Blocks until that line.
    ///
    /// # Errors
    /// If it cannot be started, or ends or stays silent instead of listening; its own words are
    /// in the text.
    pub fn start(name: &str, path: &Path, command: &mut Command) -> Result<Server> {
        let fail = |cause: &dyn std::fmt::Display| {
            Failure::new(format_args!("start the server {name}"), cause)
        };
        // A process group of its own: Ctrl-C on a terminal reaches this process only, which then
        // stops its servers itself.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| fail(&error))?;
        let clock = ClockId::pid_cpu_clock_id(pid(&child));
        let listens = wait_for_line(child.stdout.as_mut());
        // From here on a failure kills the child: `Server` owns it.
        let mut server = Server {
            name: name.to_owned(),
            path: path.to_owned(),
            child,
            clock: clock.unwrap_or(ClockId::CLOCK_PROCESS_CPUTIME_ID),
        };
        if let Err(errno) = clock {
            return Err(fail(&format_args!("read its CPU clock: {errno}")));
        }
        match listens {
            Ok(true) => Ok(server),
            Ok(false) => Err(fail(&server.last_words())),
            Err(error) => Err(fail(&error)),
        }
    }

    /// What it is called in tables.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The CPU time that all its threads used so far, in the kernel's own nanoseconds
    /// (`clock_getcpuclockid(3)`).
    ///
    /// # Errors
    /// If the process is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        let now = self.clock.now().map_err(|errno| {
            Failure::new(format_args!("read the CPU time of {}", self.name), errno)
        })?;
        Ok(Duration::from(now))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        pid(&self.child)
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn resident_bytes(&mut self) -> Result<u64> {
        accounting::resident_bytes(self.pid()).map_err(|error| self.explain(&error))
    }

    /// How often its threads were switched out so far.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn switches(&mut self) -> Result<Switches> {
        Switches::of(self.pid()).map_err(|error| self.explain(&error))
    }

    /// The CPU time that it has used so far, in user space and in the kernel.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn times(&mut self) -> Result<Times> {
        Times::of(self.pid()).map_err(|error| self.explain(&error))
    }

    /// Waits until it uses no CPU time, because it has nothing left to do, but not for longer than
    /// two seconds: some servers never sleep.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn settle(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(2);
        let mut before = self.cpu_time()?;
        loop {
            std::thread::sleep(Duration::from_millis(10));
            let now = self.cpu_time()?;
            if now == before || Instant::now() >= end {
                return Ok(());
            }
            before = now;
        }
    }

    /// Explains `error`, which a connection to this server had: if the process has ended, by how
    /// it ended and what it said.
    pub fn explain(&mut self, error: &io::Error) -> Failure {
        // The peer's end is often seen a moment before the process is a zombie.
        let subject = format!("server {}", self.name);
        match self.wait_for_exit(Duration::from_millis(200)) {
            Some(_) => Failure::new(subject, self.last_words()),
            None => Failure::new(subject, error),
        }
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// If it ends with a failure, or has to be killed.
    pub fn stop(mut self) -> Result<()> {
        // An error means that it is gone, which the exit status will tell.
        _ = kill(pid(&self.child), Signal::SIGTERM);
        let cause = match self.wait_for_exit(PATIENCE) {
            Some(status) if status.success() => return Ok(()),
            Some(_) => self.last_words(),
            None => "it does not answer SIGTERM".to_owned(),
        };
        Err(Failure::new(format_args!("stop the server {}", self.name), cause))
    }

    fn wait_for_exit(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + at_most;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The last line of its standard error, or how it ended.
    fn last_words(&mut self) -> String {
        let Some(status) = self.wait_for_exit(PATIENCE) else {
            return "it closed its output and still runs".to_owned();
        };
        let mut said = String::new();
        if let Some(mut error) = self.child.stderr.take() {
            _ = error.read_to_string(&mut said); // what was readable is in `said`
        }
        match said.trim_end().lines().next_back() {
            Some(line) => format!("{line} ({status})"),
            None => format!("it ended: {status}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the process was waited for already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    // Lossless: Linux has at most 2^22 process ids.
    Pid::from_raw(child.id() as i32)
}

/// Waits for one line; `false` if the output ends without one.
fn wait_for_line(output: Option<&mut ChildStdout>) -> io::Result<bool> {
    let Some(output) = output else { return Ok(false) };
    let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
    let mut descriptors = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
    let ready = loop {
        match poll(&mut descriptors, timeout) {
            Err(Errno::EINTR) => {}
            ready => break ready?,
        }
    };
    if ready == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not say that it listens"));
    }
    let mut line = String::new();
    Ok(BufReader::new(output).read_line(&mut line)? > 0)
}
