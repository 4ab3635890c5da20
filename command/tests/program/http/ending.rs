//! How it ends, and how it does not begin.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::{Answer, Site, command};
use crate::support::{
    PROGRAM, Server, backends, contents, directory, finish, is_installed, one_line, run, wait_until,
};

/// More than a socket holds.
const BIG: usize = 16 << 20;

#[test]
fn what_has_begun_is_finished() {
    for backend in backends() {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let mut site = Site::start(backend, &[]);
            site.put("big", vec![b'x'; BIG]);
            let mut idle = site.server.connect();
            idle.write_all(b"GET /missing HTTP/1.1\r\nHost: here\r\n\r\n").expect("it is served");
            idle.read_exact(&mut [0; 12]).expect("it is answered");
            let mut stream = site.server.connect();
            stream.write_all(b"GET /big HTTP/1.1\r\nHost: here\r\n\r\n").expect("it is served");
            let mut bytes = vec![0; 1000];
            stream.read_exact(&mut bytes).expect("it is answered");
            site.server.signal(signal);
            let socket = site.directory.path().join("socket");
            wait_until("it takes no new clients", || !socket.exists());
            stream.read_to_end(&mut bytes).expect("it goes on");
            assert_eq!(Answer::parse(&bytes).body.len(), BIG, "{backend}");
            let ended = site.server.wait();
            assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
            assert_eq!(ended.output, format!("served 2 connections, 2 requests, {BIG} bytes\n"));
            assert_eq!(ended.errors, "");
        }
    }
}

#[test]
fn who_reads_nothing_is_cut_off() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("big", vec![b'x'; BIG]);
        let mut stream = site.server.connect();
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: here\r\n\r\n").expect("it is served");
        stream.read_exact(&mut [0; 12]).expect("it is answered");
        let begin = Instant::now();
        let ended = site.server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        assert!(begin.elapsed() > Duration::from_millis(1900), "{:?}", begin.elapsed());
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
        assert!(ended.output.ends_with(" bytes; 1 request did not end in time\n"), "{backend}");
        assert!(contents(site.directory.path()).len() == 1, "the socket is gone");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut site = Site::start("epoll", &[]);
    site.put("big", vec![b'x'; BIG]);
    let mut stream = site.server.connect();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: here\r\n\r\n").expect("it is served");
    stream.read_exact(&mut [0; 12]).expect("it is answered");
    let (begin, socket) = (Instant::now(), site.directory.path().join("socket"));
    site.server.signal(Signal::SIGTERM);
    wait_until("it takes no new clients", || !socket.exists());
    site.server.signal(Signal::SIGTERM);
    let ended = site.server.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
}

#[test]
fn a_folder_that_cannot_be_served_is_said_before_listening() {
    let directory = directory();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("permissions");
    let (file, locked) = (directory.path().join("file"), directory.path().join("locked"));
    fs::write(&file, "").expect("a file");
    fs::create_dir(&locked).expect("a folder");
    fs::set_permissions(&locked, Permissions::from_mode(0o311)).expect("permissions");
    // Root may read everything, so it becomes nobody, who needs a program that nobody may run.
    let program = directory.path().join("program");
    fs::copy(PROGRAM, &program).expect("a copy");
    for (root, cause) in [
        (directory.path().join("missing"), "No such file or directory (os error 2)"),
        (file, "Not a directory (os error 20)"),
        (locked, "Permission denied (os error 13)"),
    ] {
        let socket = directory.path().join("socket");
        let mut command = Command::new(&program);
        command.arg("http").arg(&socket).arg("--root").arg(&root);
        if geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        let said = one_line(&finish(&mut command, b""), 1);
        assert_eq!(said, format!("unix-transport: serve {}: {cause}", root.display()));
        assert!(!socket.exists());
    }
}

#[test]
fn a_path_in_use_stays_in_use() {
    for backend in backends() {
        let site = Site::start(backend, &[]);
        let said = one_line(&finish(&mut command(backend, site.directory.path(), &[]), b""), 1);
        assert!(said.ends_with("/socket: address in use (os error 98)"), "{said}");
        assert!(said.starts_with("unix-transport: listen on "), "{said}");
        assert_eq!(site.get("/missing").status, 404, "the first goes on");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for (arguments, hint) in [
        (&["http", "/x"][..], "--root"),
        (&["http", "--root", "."], "<PATH>"),
        (&["http", "/x", "--root", ".", "--activated"], "--activated"),
        (&["http", "--root", ".", "--activated", "--unlink"], "--unlink"),
        (&["http", "--root", ".", "--activated", "--mode", "600"], "--mode"),
    ] {
        let said = one_line(&run(arguments), 2);
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn a_passed_socket_is_served_and_stays() {
    if !is_installed("systemd-socket-activate", "systemd") {
        return;
    }
    for backend in backends() {
        let directory = directory();
        let (socket, root) = (directory.path().join("socket"), directory.path().join("root"));
        fs::create_dir(&root).expect("a folder");
        fs::write(root.join("index.html"), "passed").expect("a file");
        let mut command = Command::new("systemd-socket-activate");
        command.arg("-l").arg(&socket).arg(PROGRAM);
        command.args(["http", "--activated", "--backend", backend, "--root"]).arg(&root);
        // It starts the program when the first client comes, who waits for it.
        let client = directory.path().join("socket");
        let asking = std::thread::spawn(move || {
            let mut stream = None;
            wait_until("it listens", || {
                stream = std::os::unix::net::UnixStream::connect(&client).ok();
                stream.is_some()
            });
            let mut stream = stream.expect("just made");
            let request = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
            stream.write_all(request).expect("it is served");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("it is answered");
            Answer::parse(&bytes).body
        });
        let server = Server::start_command(command, &socket);
        assert_eq!(asking.join().expect("no panic"), b"passed", "{backend}");
        let ended = server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        assert_eq!(ended.output, "served 1 connection, 1 request, 6 bytes\n");
        assert!(socket.exists(), "it is the manager's");
    }
}

#[test]
fn a_socket_that_was_not_passed_is_said() {
    let root = directory();
    let arguments = ["http".as_ref(), "--activated".as_ref(), "--root".as_ref(), root.path()];
    let said = one_line(&run(arguments), 1);
    assert!(said.starts_with("unix-transport: take the passed socket: LISTEN_FDS "), "{said}");
}
