//! What is relayed: every byte, the end of each direction by itself, many clients at once.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::process::Command;
use std::thread;

use super::{DIRECTIONS, Family, connect, echo, exchange, patient, proxy, rest};
use crate::support::{PROGRAM, Server, backends, directory, finish, is_installed, wait_until};

/// How many clients are there at once.
const CLIENTS: usize = 100;

/// How many bytes each of them sends, and gets back: more than a Unix socket's buffers hold.
const BYTES: usize = 500_000;

/// The bytes of one client, unlike those of another.
fn bytes_of(client: usize) -> Vec<u8> {
    let byte = |place: usize| (place / 251 * 7 + place + client) as u8;
    (0..BYTES).map(byte).collect()
}

#[test]
fn a_hundred_clients_at_once_get_their_own_bytes_back() {
    for backend in backends() {
        for (from, to) in DIRECTIONS {
            let directory = directory();
            let target = echo(to, directory.path());
            let from = from.address(directory.path(), "proxy");
            let (server, address) = proxy(backend, &from, &target, &[]);
            let clients: Vec<_> = (0..CLIENTS).map(|_| connect(&address)).collect();
            // All are relayed at once before the first one ends.
            clients.iter().for_each(|client| exchange(client, b"hello"));
            thread::scope(|scope| {
                for (number, client) in (0..).zip(&clients) {
                    let way = format!("{backend}, {from} to {target}");
                    let sent = bytes_of(number);
                    let mut back = Vec::new();
                    scope.spawn(move || {
                        let (mut reader, mut writer) = (client, client);
                        thread::scope(|scope| {
                            scope.spawn(|| {
                                writer.write_all(&sent).expect("it is relayed");
                                client.shutdown(Shutdown::Write).expect("it is connected");
                            });
                            reader.read_to_end(&mut back).expect("it is relayed");
                        });
                        assert!(back == sent, "{way}: client {number}");
                    });
                }
            });
            drop(clients);
            let ended = server.stop();
            let bytes = CLIENTS * (BYTES + 5);
            assert_eq!(
                ended.output,
                format!("relayed {CLIENTS} connections, {bytes} bytes there, {bytes} back\n")
            );
            assert_eq!((ended.status.code(), &*ended.errors), (Some(0), ""));
        }
    }
}

#[test]
fn each_direction_ends_by_itself() {
    for backend in backends() {
        for (from, to) in DIRECTIONS {
            let directory = directory();
            let (listener, target) = to.listen(directory.path(), "server");
            let from = from.address(directory.path(), "proxy");
            let (_server, address) = proxy(backend, &from, &target, &[]);
            for client_is_first in [true, false] {
                let client = connect(&address);
                let (accepted, _) = listener.accept().expect("it is relayed");
                let accepted = patient(accepted);
                let (first, second) = match client_is_first {
                    true => (&client, &accepted),
                    false => (&accepted, &client),
                };
                let (mut writer, mut reader) = (first, second);
                writer.write_all(b"all that I say").expect("it is relayed");
                writer.shutdown(Shutdown::Write).expect("it is connected");
                let mut heard = String::new();
                reader.read_to_string(&mut heard).expect("it is relayed");
                assert_eq!(heard, "all that I say");
                // The other direction goes on, as long as it likes.
                for _ in 0..10 {
                    let (mut writer, mut reader) = (second, first);
                    let mut heard = [0; 100_000];
                    writer.write_all(&[7; 100_000]).expect("it is relayed");
                    reader.read_exact(&mut heard).expect("it is relayed");
                    assert!(heard == [7; 100_000]);
                }
                second.shutdown(Shutdown::Write).expect("it is connected");
                assert_eq!(rest(first).expect("the end"), 0, "{backend}");
            }
        }
    }
}

#[test]
fn who_stops_reading_still_delivers_its_answer() {
    for backend in backends() {
        for (from, to) in DIRECTIONS {
            let directory = directory();
            let (listener, target) = to.listen(directory.path(), "server");
            let from = from.address(directory.path(), "proxy");
            let (server, address) = proxy(backend, &from, &target, &[]);
            let client = connect(&address);
            let (mut accepted, _) = listener.accept().expect("it is relayed");
            accepted.shutdown(Shutdown::Read).expect("it is connected");
            accepted.write_all(b"too much").expect("it is relayed");
            // A Unix socket tells at once that nobody reads; TCP takes it until the socket closes.
            let mut writer = &client;
            _ = writer.write_all(&[0; 100_000]);
            let mut answer = [0; 8];
            (&client).read_exact(&mut answer).expect("it is relayed");
            assert_eq!(&answer, b"too much");
            drop((accepted, client));
            assert_eq!(server.stop().status.code(), Some(0), "{backend}");
        }
    }
}

#[test]
fn an_urgent_byte_keeps_its_place() {
    for backend in backends() {
        let directory = directory();
        let target = echo(Family::Unix, directory.path());
        let from = Family::Tcp.address(directory.path(), "proxy");
        let (_server, address) = proxy(backend, &from, &target, &[]);
        let mut client = connect(&address);
        for _ in 0..20 {
            client.write_all(b"before").expect("it is relayed");
            client.send_out_of_band(b"!").expect("it is relayed");
            client.write_all(b"behind").expect("it is relayed");
            let mut back = [0; 13];
            client.read_exact(&mut back).expect("it is relayed");
            assert_eq!(&back, b"before!behind", "{backend}");
        }
    }
}

#[test]
fn python_is_relayed() {
    if !is_installed("python3", "python3") {
        return;
    }
    let script = "\
import socket, sys, threading
kind, _, where = sys.argv[1].partition(':')
if kind == 'tcp':
    host, _, port = where.partition(':')
    s = socket.create_connection((host, int(port)))
else:
    s = socket.socket(socket.AF_UNIX); s.connect(where)
data = bytes(range(256)) * 8192
def send():
    s.sendall(data); s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = b''.join(iter(lambda: s.recv(65536), b''))
print('same' if back == data else 'different')
";
    for backend in backends() {
        for (from, to) in DIRECTIONS {
            let directory = directory();
            let target = echo(to, directory.path());
            let at = from.address(directory.path(), "proxy");
            let (_server, mut address) = proxy(backend, &at, &target, &[]);
            if matches!(from, Family::Unix) {
                address = at;
            }
            let output = finish(Command::new("python3").args(["-c", script, &address]), b"");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "same\n", "{backend}: {output:?}");
        }
    }
}

#[test]
fn the_unix_side_goes_by_its_backend() {
    if !is_installed("strace", "strace") {
        return;
    }
    for backend in backends() {
        let directory = directory();
        let target = echo(Family::Unix, directory.path());
        let log = directory.path().join("log");
        let from = format!("unix:{}", directory.path().join("proxy").display());
        let mut command = Command::new("strace");
        // -D: the program, not strace, is this process's child.
        command.args(["-D", "-f", "-o"]).arg(&log).arg(PROGRAM);
        command.args(["proxy", &from, &target, "--backend", backend]);
        let server = Server::start_command(command, directory.path());
        let client = connect(&from);
        for _ in 0..100 {
            exchange(&client, b"hello");
        }
        drop(client);
        assert_eq!(server.stop().status.code(), Some(0));
        let mut text = String::new();
        wait_until("strace has written everything", || {
            text = std::fs::read_to_string(&log).expect("a log");
            text.lines().last().is_some_and(|line| line.contains("+++ exited"))
        });
        let calls = |name: &str| text.matches(&format!(" {name}(")).count();
        let of_each = [calls("io_uring_enter"), calls("epoll_wait"), calls("ppoll")];
        let expected = ["uring", "epoll", "blocking"].map(|name| name == backend);
        // strace itself and Rust's start make a few of their own.
        assert_eq!(of_each.map(|calls| calls > 50), expected, "{backend}: {of_each:?}");
        if backend == "uring" {
            // What is received and sent by completion makes no call of its own.
            assert!(!text.contains("hello"), "{text}");
        }
    }
}
