//! Bytes there and back: over each backend, with this program, the standard library and Python
//! as clients.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::process::Command;

use crate::support::{PROGRAM, Server, backends, directory, finish, is_installed};

/// Longer than every buffer on the way.
fn long_input() -> Vec<u8> {
    (0..3_000_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn connect_gets_back_what_it_sends() {
    let directory = directory();
    let input = long_input();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &["--unlink"]);
        let output = finish(Command::new(PROGRAM).arg("connect").arg(&path), &input);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stdout == input, "{backend} echoes something else");
        let ended = server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        assert!(ended.output.starts_with("served 1 connection, "), "{}", ended.output);
        assert!(ended.output.trim_end().ends_with("messages, 3000000 bytes"), "{}", ended.output);
    }
}

#[test]
fn a_sink_answers_the_count() {
    let directory = directory();
    let input = long_input();
    for backend in backends() {
        let path = directory.path().join(backend);
        let _server = Server::start("sink", backend, &path, &[]);
        let output = finish(Command::new(PROGRAM).arg("connect").arg(&path), &input);
        assert_eq!(output.stdout, 3_000_000u64.to_le_bytes(), "{backend}: {output:?}");
        let nothing = finish(Command::new(PROGRAM).arg("connect").arg(&path), b"");
        assert_eq!(nothing.stdout, [0; 8], "{backend}: {nothing:?}");
    }
}

#[test]
fn abstract_names_have_no_file() {
    for backend in backends() {
        let name = format!("@unix-transport-test-{}-{backend}", std::process::id());
        let _server = Server::start("echo", backend, name.as_ref(), &[]);
        let output = finish(Command::new(PROGRAM).args(["connect", &name]), b"abstract");
        assert_eq!(output.stdout, b"abstract", "{output:?}");
        assert!(!std::path::Path::new(&name).exists());
    }
}

#[test]
fn several_threads_share_a_listener() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &["--threads", "3", "--unlink"]);
        let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
        for (number, client) in (0u8..).zip(&mut clients) {
            client.write_all(&[number; 100]).expect("it is served");
        }
        for (number, client) in (0u8..).zip(&mut clients) {
            let mut echo = [0; 100];
            client.read_exact(&mut echo).expect("it is served");
            assert_eq!(echo, [number; 100]);
        }
        drop(clients);
        let ended = server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        let (shares, totals) = match backend {
            // A thread per connection, whatever was asked for.
            "blocking" => (None, &*ended.output),
            _ => {
                ended.output.split_once('\n').map(|(one, two)| (Some(one), two)).expect("two lines")
            }
        };
        assert_eq!(totals, "served 30 connections, 30 messages, 3000 bytes\n");
        if let Some(shares) = shares {
            let shares = shares.strip_prefix("connections of each thread: ").expect("the shares");
            let shares: Vec<u32> =
                shares.split(", ").map(|share| share.parse().expect("a number")).collect();
            assert_eq!((shares.len(), shares.iter().sum()), (3, 30), "{shares:?}");
        }
        assert!(!path.exists());
    }
}

#[test]
fn after_a_half_close_the_rest_still_comes() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &[]);
        let mut client = server.connect();
        client.write_all(b"last words").expect("it is served");
        client.shutdown(Shutdown::Write).expect("it is connected");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).expect("it is served");
        assert_eq!(rest, b"last words", "{backend}");
    }
}

#[test]
fn python_is_served() {
    if !is_installed("python3", "python3") {
        return;
    }
    let script = "\
import socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
data = bytes(range(256)) * 4096
def send():
    s.sendall(data); s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = b''
while True:
    part = s.recv(65536)
    if not part: break
    back += part
print('same' if back == data else 'different')
";
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let _server = Server::start("echo", backend, &path, &[]);
        let output = finish(Command::new("python3").args(["-c", script]).arg(&path), b"");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "same\n", "{backend}: {output:?}");
    }
}

#[test]
fn the_environment_chooses_unless_the_command_line_does() {
    let directory = directory();
    let path = directory.path().join("socket");
    for (more, chosen) in [(&[][..], "blocking"), (&["--backend", "epoll"], "epoll")] {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "echo", "--unlink"]).args(more).arg(&path);
        command.env("UNIX_TRANSPORT_BACKEND", "blocking");
        let server = Server::start_command(command, &path);
        assert!(
            server.announced().contains(&format!(" with {chosen}, ")),
            "{}",
            server.announced()
        );
        assert_eq!(server.stop().status.code(), Some(0));
    }
}
