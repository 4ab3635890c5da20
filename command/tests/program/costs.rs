//! What connections that do nothing cost: no CPU time, and little memory.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{Server, backends, directory, skip};

const CONNECTIONS: usize = 10_000;

/// Per connection, in bytes.
const MEMORY_LIMIT: u64 = 2048;

#[test]
fn ten_thousand_idle_connections_cost_little() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if hard < CONNECTIONS as u64 + 1000 {
        skip(format_args!("{CONNECTIONS} connections need more descriptors than {hard}"));
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit");
    let directory = directory();
    // Blocking has a thread for each connection: nobody asks it for ten thousand.
    for backend in backends().into_iter().filter(|&backend| backend != "blocking") {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &[]);
        let mut first = server.connect();
        echo(&mut first, 0);
        let before = server.memory("VmRSS");
        let mut idle: Vec<UnixStream> = (1..CONNECTIONS).map(|_| server.connect()).collect();
        // They are accepted in their order: when the last one answers, all of them were.
        echo(idle.last_mut().expect("it is there"), 1);
        let growth = (server.memory("VmRSS") - before) * 1024 / CONNECTIONS as u64;
        println!("{backend}: {growth} bytes for each idle connection");
        assert!(growth < MEMORY_LIMIT, "{backend}: {growth} bytes for each connection");
        for (number, client) in idle.iter_mut().enumerate() {
            echo(client, number);
        }
        let growth = (server.memory("VmRSS") - before) * 1024 / CONNECTIONS as u64;
        println!("{backend}: {growth} bytes for each, after all of them answered");
        assert!(growth < MEMORY_LIMIT, "{backend}: {growth} bytes for each connection");
        // A ring looks once more at each connection that was read from, 256 of them every 20 ms.
        let settled_after = Duration::from_millis(if backend == "uring" { 2000 } else { 200 });
        assert_no_cpu_time(backend, &server, settled_after);
        drop(idle);
        drop(first);
        let ended = server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        let expected = format!("served {CONNECTIONS} connections, {} messages", CONNECTIONS + 1);
        assert!(ended.output.starts_with(&expected), "{}", ended.output);
    }
}

#[test]
fn idle_servers_use_no_cpu_time() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &["--threads", "2"]);
        let mut clients: Vec<UnixStream> = (0..20).map(|_| server.connect()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            echo(client, number);
        }
        assert_no_cpu_time(backend, &server, Duration::from_millis(200));
    }
}

/// The kernel counts nanoseconds; a process that is never run uses none.
fn assert_no_cpu_time(backend: &str, server: &Server, settled_after: Duration) {
    // What is measured is a span of time; nothing is waited for but the work that the echoes left.
    thread::sleep(settled_after);
    let before = server.cpu_time();
    thread::sleep(Duration::from_secs(1));
    let used = server.cpu_time() - before;
    assert_eq!(used, Duration::ZERO, "{backend} works while it is idle");
}

fn echo(client: &mut UnixStream, number: usize) {
    let message = number.to_le_bytes();
    let mut answer = [0; size_of::<usize>()];
    client.write_all(&message).expect("it is served");
    client.read_exact(&mut answer).expect("it is served");
    assert_eq!(answer, message);
}
