//! The matrix as its users see it: a real run of two servers, interrupted, resumed and reported.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use unix_transport::{Availability, Backend as _, Uring};

/// Two servers that are in the program itself, so that nothing needs to be built.
const BENCHES: &str = env!("CARGO_BIN_EXE_benches");

fn matrix(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(BENCHES);
    command.args(["matrix", "--baseline", "raw-epoll", "--servers", "epoll"]);
    command.args(["--cells", "echo-1x64,stream-4k,cycles"]).arg("--output").arg(folder);
    command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn words(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Sends SIGINT as soon as the first cell is done, and answers what the run said afterwards.
fn interrupt(mut child: Child) -> io::Result<(ExitStatus, String)> {
    let mut said = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut line = String::new();
    while !line.contains("1 of 3") {
        line.clear();
        assert!(said.read_line(&mut line)? > 0, "it ended before its first cell did");
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    kill(pid, Signal::SIGINT)?;
    let mut rest = String::new();
    said.read_to_string(&mut rest)?;
    Ok((child.wait()?, rest))
}

#[test]
fn an_interrupted_run_is_resumed_and_reported() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let folder = directory.path().join("results");
    let first = folder.join("cells/echo-1x64.json");
    let short = ["--seconds-per-cell", "1"];

    let (status, said) = interrupt(matrix(&folder, &short).spawn()?)?;
    assert!(!status.success(), "{said}");
    assert!(said.contains("interrupted: 1 of 3 cells are in "), "{said}");
    assert!(said.contains("the same command, without `--fresh`, goes on"), "{said}");
    let measured = fs::read(&first)?;

    let other = matrix(&folder, &["--seconds-per-cell", "2"]).output()?;
    assert!(!other.status.success() && words(&other).contains("--fresh"), "{}", words(&other));

    let resumed = matrix(&folder, &short).output()?;
    assert!(resumed.status.success(), "{}", words(&resumed));
    assert_eq!(fs::read(&first)?, measured, "what was there is not measured again");
    assert!(!words(&resumed).contains("echo-1x64: 3 servers"), "{}", words(&resumed));

    let report = Command::new(BENCHES).arg("report").arg(&folder).output()?;
    let tables = words(&report);
    assert!(report.status.success(), "{tables}");
    for text in ["echo-1x64", "stream-4k", "cycles", "raw-epoll-again", "kernel: Linux"] {
        assert!(tables.contains(text), "{text} is missing in {tables}");
    }
    // A line of names, then three cells with two servers and the control.
    let lines = fs::read_to_string(folder.join("report.csv"))?;
    assert_eq!(lines.lines().count(), 1 + 3 * 3);
    // Each says of what, where and with what it was measured.
    let built = format!(",{},", env!("CARGO_PKG_VERSION"));
    assert!(lines.lines().skip(1).all(|line| line.contains(&built) && line.contains("Linux ")));
    let page = fs::read_to_string(folder.join("report.html"))?;
    assert!(page.contains("<svg") && !page.contains("<script"), "the page has pictures of its own");
    for linked in ["src=", "href=", "url("] {
        assert!(!page.contains(linked), "the page needs nothing else: {linked}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("report.json"))?)?;
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(9));
    assert_eq!(json["absent"].as_array().map(Vec::len), Some(0));

    let markdown = Command::new(BENCHES).args(["report", "--markdown"]).arg(&folder).output()?;
    assert!(words(&markdown).contains("| raw-epoll-again"), "{}", words(&markdown));
    Ok(())
}

#[test]
fn what_does_not_exist_is_refused() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    for (arguments, text) in [
        (["matrix", "--cells", "nothing"], "no such cell"),
        (["matrix", "--servers", "nobody"], "no server is called nobody"),
        (["report", "--markdown", "/nonexistent"], "there are none"),
    ] {
        let output =
            Command::new(BENCHES).args(arguments).current_dir(directory.path()).output()?;
        assert!(!output.status.success());
        assert!(words(&output).contains(text), "{}", words(&output));
    }
    Ok(())
}

/// Each byte that they did not count would leave them out.
#[test]
fn servers_of_the_program_are_sinks_too() -> io::Result<()> {
    let mut servers = vec!["epoll", "epoll-owned", "blocking", "hosted-tokio"];
    servers.extend(["raw-epoll", "raw-epoll-tasks", "raw-blocking"]);
    if matches!(Uring::probe(), Availability::Yes(_)) {
        servers.extend(["uring", "uring-owned", "uring-borrowed", "nested-uring"]);
        servers.extend(["raw-ring", "raw-ring-owned", "raw-ring-direct", "raw-ring-borrowed"]);
        servers.extend(["raw-ring-tasks", "raw-ring-oneshot-tasks"]);
    }
    let directory = tempfile::tempdir()?;
    let folder = directory.path().join("results");
    let mut command = Command::new(BENCHES);
    command.args(["matrix", "--cells", "sink-*", "--seconds-per-cell", "1"]);
    command.args(["--baseline", "raw-epoll", "--servers", &servers.join(","), "--output"]);
    let said = words(&command.arg(&folder).output()?);
    let report = fs::read_to_string(folder.join("report.csv"))?;
    for server in servers {
        for cell in ["sink-4k", "sink-256k"] {
            let row = format!("\n{cell},{server},");
            assert!(report.contains(&row), "{server} is not in {cell}: {said}");
        }
    }
    Ok(())
}
