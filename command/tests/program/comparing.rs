//! `compare`, with slices too few for figures: that it ends, what it prints, what it leaves.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{PROGRAM, backends, contents, directory, finish, one_line, wait_until};

#[test]
fn figures_come_as_json() {
    let directory = directory();
    let mut command = Command::new(PROGRAM);
    command.args(["compare", "--json", "--seconds", "1"]).env("TMPDIR", directory.path());
    let output = finish(&mut command, b"");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "no progress bar in a pipe: {output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["baseline"], "blocking");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 4 * backends().len());
    for row in rows {
        assert!(row["messages_per_cpu_second"]["median"].as_f64() > Some(0.0), "{row}");
        let streams = row["workload"]["kind"] == "stream";
        assert_eq!(row["round_trips_per_second"].is_null(), streams, "{row}");
    }
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn without_a_subcommand_it_is_one_table() {
    let output = finish(Command::new(PROGRAM).args(["--seconds", "1"]), b"");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8(output.stdout).expect("text");
    for backend in backends() {
        let rows = table.lines().filter(|line| line.starts_with(' ') && line.contains(backend));
        assert_eq!(rows.count(), 4, "{table}");
    }
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    let directory = directory();
    let mut command = Command::new(PROGRAM);
    command.args(["compare", "--seconds", "600"]).env("TMPDIR", directory.path());
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it starts");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let children = measuring(&child);
    kill(pid, Signal::SIGINT).expect("it runs");
    wait_until("it ends", || child.try_wait().expect("a child").is_some());
    let output = child.wait_with_output().expect("it ended");
    assert_eq!(one_line(&output, 1), "unix-transport: interrupted");
    for child in children {
        assert!(!is_running(&child), "process {child} is left");
    }
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn servers_and_generators_end_with_a_killed_parent() {
    let directory = directory();
    let mut command = Command::new(PROGRAM);
    command.args(["compare", "--seconds", "600"]).env("TMPDIR", directory.path());
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let children = measuring(&child);
    child.kill().expect("it runs");
    child.wait().expect("a child");
    for child in children {
        wait_until("its servers and generators end", || !is_running(&child));
    }
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!(said, "");
}

/// The processes of a comparison that has begun: a server and a generator for each backend.
fn measuring(comparison: &Child) -> Vec<String> {
    let path = format!("/proc/{0}/task/{0}/children", comparison.id());
    let mut children = Vec::new();
    wait_until("its servers and generators run", || {
        let listed = std::fs::read_to_string(&path).expect("it runs");
        children = listed.split_whitespace().map(str::to_owned).collect();
        children.len() == 2 * backends().len()
    });
    children
}

/// Whether a process runs, and is not a zombie that nobody has waited for yet.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
