//! How a server ends: what it accepted is served, its file goes if that was asked for, and it
//! says what it did.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{PROGRAM, Server, backends, directory, wait_until};

#[test]
fn sigterm_serves_to_the_end_what_was_accepted() {
    let directory = directory();
    for backend in backends() {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let path = directory.path().join(backend);
            let mut server = Server::start("echo", backend, &path, &["--unlink"]);
            let mut client = server.connect();
            let mut queued = server.connect();
            let mut echo = [0; 6];
            client.write_all(b"before").expect("it is served");
            client.read_exact(&mut echo).expect("it is served");
            queued.write_all(b"queued").expect("it is served");
            server.signal(signal);
            wait_until("it takes no new clients", || !path.exists());
            for (stream, message) in [(&mut client, b"behind"), (&mut queued, b"queued")] {
                if stream.peer_addr().is_ok() && message == b"behind" {
                    stream.write_all(message).expect("it is still served");
                }
                stream.read_exact(&mut echo).expect("it is still served");
                assert_eq!(&echo, message, "{backend}");
            }
            drop((client, queued));
            let ended = server.wait();
            assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
            assert_eq!(ended.output, "served 2 connections, 3 messages, 18 bytes\n", "{backend}");
            assert_eq!(ended.errors, "");
        }
    }
}

#[test]
fn who_stays_for_too_long_is_cut_off() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &["--unlink"]);
        let mut client = server.connect();
        client.write_all(b"x").expect("it is served");
        client.read_exact(&mut [0]).expect("it is served");
        let begin = Instant::now();
        let ended = server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        assert!(begin.elapsed() > Duration::from_millis(1900), "{:?}", begin.elapsed());
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
        let expected = "served 1 connection, 1 message, 1 byte; 1 connection did not end in time\n";
        assert_eq!(ended.output, expected, "{backend}");
        assert_eq!(client.read(&mut [0]).expect("the end of the stream"), 0);
        assert!(!path.exists());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let directory = directory();
    let path = directory.path().join("socket");
    let mut server = Server::start("echo", "epoll", &path, &["--unlink"]);
    let mut client = server.connect();
    client.write_all(b"x").expect("it is served");
    client.read_exact(&mut [0]).expect("it is served");
    server.signal(Signal::SIGTERM);
    wait_until("it takes no new clients", || !path.exists());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().status.code(), None);
}

#[test]
fn a_server_does_not_outlive_the_parent_that_it_was_told_of() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        // The shell's child is told of the shell, which ends when its input does.
        let script = "\"$0\" serve echo --unlink --parent $$ --backend \"$1\" \"$2\" & read -r _";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, PROGRAM, backend]).arg(&path);
        let mut server = Server::start_command(shell, &path);
        server.end_input();
        server.wait();
        wait_until("the server has ended, too", || !path.exists());
    }
}

#[test]
fn the_file_stays_unless_asked_otherwise() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &["--mode", "0640"]);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &path.metadata().expect("a file").permissions(),
        );
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(server.stop().status.code(), Some(0));
        assert!(path.exists());
    }
}
