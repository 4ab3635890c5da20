//! Too few descriptors, clients that leave, and the system calls of each backend.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Site, command};
use crate::support::{PATIENCE, Server, backends, directory, is_installed, wait_until};

const REQUEST: &[u8] = b"GET /missing HTTP/1.1\r\nHost: here\r\n\r\n";
/// It is not found, or there is no descriptor to look with.
const ANSWERS: [&[u8]; 2] = [b"HTTP/1.1 404 ", b"HTTP/1.1 503 "];

/// How long clients wait, to see what that costs.
const WAIT: Duration = Duration::from_millis(500);

#[test]
fn without_descriptors_clients_wait_and_nothing_spins() {
    for backend in backends() {
        let directory = directory();
        let mut limited = Command::new("sh");
        let program = command(backend, directory.path(), &[]);
        limited.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\""]);
        limited.arg(program.get_program()).args(program.get_args());
        let server = Server::start_command(limited, &directory.path().join("socket"));
        let mut clients: Vec<UnixStream> = (0..60).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(REQUEST).expect("it waits in the queue");
        }
        server.wait_for_an_error();
        // All of them stay connected, so nobody makes room.
        let last = clients.last_mut().expect("there are some");
        last.set_read_timeout(Some(WAIT)).expect("a legal timeout");
        let before = server.cpu_time();
        let error = last.read_exact(&mut [0]).expect_err("nobody accepts it");
        let used = server.cpu_time() - before;
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(used < WAIT / 10, "{backend}: {used:?} of CPU time");
        last.set_read_timeout(Some(PATIENCE)).expect("a legal timeout");
        // First in, first out: those at the front are served, and make room for the others.
        for mut client in clients {
            let mut answer = [0; ANSWERS[0].len()];
            client.read_exact(&mut answer).expect("it is served");
            assert!(ANSWERS.contains(&&answer[..]), "{}", answer.escape_ascii());
        }
        let ended = server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        assert_eq!(ended.errors.lines().count(), 1, "{backend}: {:?}", ended.errors);
        assert!(ended.errors.contains("(os error 24); clients wait"), "{:?}", ended.errors);
        assert_eq!(ended.output, "served 60 connections, 60 requests, 0 bytes\n");
    }
}

#[test]
fn clients_that_leave_leave_no_descriptor() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("big", vec![b'x'; 16 << 20]);
        assert_eq!(site.get("/missing").status, 404);
        let pid = site.server.pid();
        let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
        wait_until("the connection is closed", || open() <= 64);
        let mut before = open();
        // What is closed for the first request may be on its way.
        wait_until("nothing changes", || std::mem::replace(&mut before, open()) == before);
        let mut clients: Vec<UnixStream> = (0..100).map(|_| site.server.connect()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            let request: &[u8] = match number % 3 {
                0 => b"GET /big HTTP/1.1\r\nHo",
                _ => b"GET /big HTTP/1.1\r\nHost: here\r\n\r\n",
            };
            client.write_all(request).expect("it is served");
            if number % 3 == 1 {
                client.read_exact(&mut [0; 12]).expect("it is answered");
            }
        }
        assert!(open() > before, "they are there");
        drop(clients);
        wait_until("all descriptors are closed", || open() <= before);
        assert_eq!(site.get("/missing").status, 404, "{backend} goes on");
    }
}

#[test]
fn each_backend_waits_in_its_own_way() {
    if !is_installed("strace", "strace") {
        return;
    }
    for backend in backends() {
        let directory = directory();
        let log = directory.path().join("log");
        let mut traced = Command::new("strace");
        // -D: the program, not strace, is this process's child.
        traced.args(["-D", "-f", "-o"]).arg(&log);
        let program = command(backend, directory.path(), &[]);
        traced.arg(program.get_program()).args(program.get_args());
        let server = Server::start_command(traced, &directory.path().join("socket"));
        let site = Site { server, directory };
        site.put("file", "text");
        for _ in 0..10 {
            assert_eq!(site.get("/file").body, b"text");
        }
        let Site { server, directory: _directory } = site;
        assert_eq!(server.stop().status.code(), Some(0));
        let calls = calls(&log);
        let waits = |call: &str| calls.contains(call);
        let found = (
            waits("io_uring_enter("),
            waits("epoll_wait(") || waits("epoll_pwait"),
            waits("ppoll("),
        );
        let expected = ("uring" == backend, "epoll" == backend, "blocking" == backend);
        assert_eq!(found, expected, "{backend}");
        assert_eq!(waits("epoll_create"), backend == "epoll", "{backend} has no other epoll");
    }
}

/// What strace says, when it has said everything.
fn calls(log: &Path) -> String {
    let mut text = String::new();
    wait_until("strace has written everything", || {
        text = std::fs::read_to_string(log).expect("a log");
        text.lines().last().is_some_and(|line| line.contains("+++ exited"))
    });
    text
}
