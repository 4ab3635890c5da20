//! A server under test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use super::{PROGRAM, wait_until};

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    path: PathBuf,
    announced: String,
}

/// How a server ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Server {
    /// Starts `serve SERVICE` with `backend` at `path` and waits until it listens.
    pub(crate) fn start(service: &str, backend: &str, path: &Path, more: &[&str]) -> Server {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", service, "--backend", backend]).args(more).arg(path);
        Server::start_command(command, path)
    }

    /// Starts `command`, a server at `path`, and waits until it listens.
    pub(crate) fn start_command(command: Command, path: &Path) -> Server {
        Server::try_start(command, path)
            .unwrap_or_else(|ended| panic!("it does not listen: {}", ended.errors))
    }

    /// Starts `command`, a server at `path`, and waits until it listens, or has ended.
    pub(crate) fn try_start(mut command: Command, path: &Path) -> Result<Server, Ended> {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("text");
        let mut server = Server { child, output, path: path.to_owned(), announced: line };
        match server.announced.contains(" server listens on ") {
            true => Ok(server),
            false => Err(server.wait()),
        }
    }

    /// A new connection, on which nothing waits for ever.
    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).expect("it listens");
        stream.set_read_timeout(Some(super::PATIENCE)).expect("a legal timeout");
        stream.set_write_timeout(Some(super::PATIENCE)).expect("a legal timeout");
        stream
    }

    /// The line that said that it listens.
    pub(crate) fn announced(&self) -> &str {
        &self.announced
    }

    /// Waits until it has said something on standard error.
    pub(crate) fn wait_for_an_error(&self) {
        let errors = self.child.stderr.as_ref().expect("piped");
        let mut asked = [PollFd::new(errors.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(super::PATIENCE).expect("a short time");
        assert_eq!(poll(&mut asked, patience).expect("it polls"), 1, "it says nothing");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        self.child.stdin = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Sends SIGTERM and waits.
    pub(crate) fn stop(mut self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> Ended {
        let mut status = None;
        wait_until("the server ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output).expect("text");
        self.child.stderr.take().map(|mut from| from.read_to_string(&mut errors).expect("text"));
        Ended { status: status.expect("it ended"), output, errors }
    }

    /// The CPU time of all its threads.
    pub(crate) fn cpu_time(&self) -> Duration {
        let clock = ClockId::pid_cpu_clock_id(self.pid()).expect("it runs");
        clock.now().expect("it runs").into()
    }

    /// A figure of `/proc/PID/status`, in KiB.
    pub(crate) fn memory(&self, figure: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        let words = line.expect("a figure that exists").split_whitespace().next();
        words.and_then(|kib| kib.parse().ok()).expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it was waited for already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
