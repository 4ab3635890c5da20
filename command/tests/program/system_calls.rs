//! Which system calls a busy echo server makes, as strace sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crate::support::{PROGRAM, Server, backends, directory, is_installed, wait_until};

const CONNECTIONS: usize = 16;
const MESSAGES: usize = 1000;

/// What a server did under a load of [`CONNECTIONS`] times [`MESSAGES`] messages of 64 bytes.
struct Trace {
    /// Calls by name.
    calls: BTreeMap<String, usize>,
    /// Calls on accepted connections by name.
    on_connections: BTreeMap<String, usize>,
}

#[test]
fn uring_moves_messages_without_a_call_for_each() {
    let Some(trace) = trace("uring") else { return };
    let all: usize = trace.calls.values().sum();
    println!("{all} calls for {} messages: {:?}", CONNECTIONS * MESSAGES, trace.calls);
    for call in trace.on_connections.keys() {
        let moves = [
            "read", "recv", "write", "send", "sendmsg", "recvmsg", "sendto", "recvfrom", "readv",
            "writev",
        ];
        assert!(!moves.contains(&call.as_str()), "{:?}", trace.on_connections);
    }
    for call in trace.calls.keys() {
        // One poll(2) is Rust's own, before main: whether 0, 1 and 2 are open.
        assert!(!call.starts_with("epoll") && call != "ppoll", "{:?}", trace.calls);
    }
    assert!(all < CONNECTIONS * MESSAGES, "{all} calls: {:?}", trace.calls);
}

#[test]
fn blocking_makes_one_call_for_each_read_and_each_write() {
    let Some(trace) = trace("blocking") else { return };
    println!("on connections: {:?}", trace.on_connections);
    // The last read of each connection is that of the end of the stream.
    assert_eq!(trace.on_connections.get("recvfrom"), Some(&(CONNECTIONS * (MESSAGES + 1))));
    assert_eq!(trace.on_connections.get("sendto"), Some(&(CONNECTIONS * MESSAGES)));
    for call in trace.on_connections.keys() {
        assert!(!call.contains("poll"), "{:?}", trace.on_connections);
    }
}

fn trace(backend: &str) -> Option<Trace> {
    if !backends().contains(&backend) || !is_installed("strace", "strace") {
        return None;
    }
    let directory = directory();
    let (path, log) = (directory.path().join("socket"), directory.path().join("log"));
    let mut command = Command::new("strace");
    // -D: the program, not strace, is this process's child.
    command.args(["-D", "-f", "-o"]).arg(&log).arg(PROGRAM);
    command.args(["serve", "echo", "--unlink", "--backend", backend]).arg(&path);
    let server = Server::start_command(command, &path);
    exchange((0..CONNECTIONS).map(|_| server.connect()).collect());
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    Some(Trace::read(&log))
}

/// All connections are busy at once.
fn exchange(mut clients: Vec<UnixStream>) {
    for round in 0..MESSAGES {
        let message = [round as u8; 64];
        for client in &mut clients {
            client.write_all(&message).expect("it is served");
        }
        for client in &mut clients {
            let mut echo = [0; 64];
            client.read_exact(&mut echo).expect("it is served");
            assert_eq!(echo, message);
        }
    }
}

impl Trace {
    fn read(log: &Path) -> Trace {
        let mut text = String::new();
        wait_until("strace has written everything", || {
            text = std::fs::read_to_string(log).expect("a log");
            text.lines().last().is_some_and(|line| line.contains("+++ exited"))
        });
        let mut trace = Trace { calls: BTreeMap::new(), on_connections: BTreeMap::new() };
        let mut connections = BTreeSet::new();
        for line in text.lines() {
            // "PID name(arguments) = result", or the first or the second half of it.
            let Some((_, call)) = line.split_once(' ') else { continue };
            let call = call.trim_start();
            let accepts = call.starts_with("accept4(") || call.starts_with("<... accept4 resumed>");
            if let Some((_, accepted)) = call.rsplit_once(" = ").filter(|_| accepts) {
                connections.extend(accepted.parse::<u32>().ok());
            }
            let Some((name, arguments)) = call.split_once('(') else { continue };
            if !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
            {
                continue;
            }
            *trace.calls.entry(name.to_owned()).or_default() += 1;
            let first =
                arguments.split([',', ')', ' ']).next().and_then(|first| first.parse().ok());
            if first.is_some_and(|first| connections.contains(&first)) {
                *trace.on_connections.entry(name.to_owned()).or_default() += 1;
            }
        }
        trace
    }
}
