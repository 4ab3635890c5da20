//! The proxy between real clients and real servers, in each direction, on each backend.

mod ending;
mod redis;
mod relaying;

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use socket2::Socket;

use crate::support::{PATIENCE, PROGRAM, Server};

/// The families that there can be on both sides, and so the directions.
const DIRECTIONS: [(Family, Family); 4] = [
    (Family::Unix, Family::Tcp),
    (Family::Tcp, Family::Unix),
    (Family::Unix, Family::Unix),
    (Family::Tcp, Family::Tcp),
];

#[derive(Clone, Copy, Debug)]
enum Family {
    Unix,
    Tcp,
}

impl Family {
    /// An address to listen on: a file of this name, or any free port.
    fn address(self, directory: &Path, name: &str) -> String {
        match self {
            Family::Unix => format!("unix:{}", directory.join(name).display()),
            Family::Tcp => "tcp:127.0.0.1:0".to_owned(),
        }
    }

    /// A socket that listens, and its address.
    fn listen(self, directory: &Path, name: &str) -> (Socket, String) {
        match self {
            Family::Unix => {
                let path = directory.join(name);
                let listener = UnixListener::bind(&path).expect("a free path");
                (listener.into(), format!("unix:{}", path.display()))
            }
            Family::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
                let address = listener.local_addr().expect("bound");
                (listener.into(), format!("tcp:{address}"))
            }
        }
    }
}

/// Starts a proxy, and answers it with the address that it listens on.
fn proxy(backend: &str, from: &str, to: &str, more: &[&str]) -> (Server, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["proxy", from, to, "--backend", backend]).args(more);
    let server = Server::start_command(command, Path::new("unused"));
    let announced = server.announced().split_once(" server listens on ").expect("an address").1;
    let address = announced.split_once(" with ").expect("a backend").0.to_owned();
    (server, address)
}

/// A connection to an address, on which nothing waits for ever.
fn connect(address: &str) -> Socket {
    patient(try_connect(address).expect("it listens"))
}

fn try_connect(address: &str) -> io::Result<Socket> {
    match address.strip_prefix("tcp:") {
        Some(tcp) => TcpStream::connect(tcp).map(Socket::from),
        None => {
            UnixStream::connect(address.strip_prefix("unix:").unwrap_or(address)).map(Socket::from)
        }
    }
}

fn patient(socket: Socket) -> Socket {
    socket.set_read_timeout(Some(PATIENCE)).expect("a legal timeout");
    socket.set_write_timeout(Some(PATIENCE)).expect("a legal timeout");
    socket
}

/// A server that sends everything back, to the end; and its address.
fn echo(family: Family, directory: &Path) -> String {
    let (listener, address) = family.listen(directory, "echo");
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            thread::spawn(move || {
                // A client that is gone is the test's own doing.
                _ = io::copy(&mut &client, &mut &client);
                _ = client.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

/// How many bytes still come before the stream ends.
fn rest(mut socket: &Socket) -> io::Result<usize> {
    socket.read_to_end(&mut Vec::new())
}

/// Says `text`, and expects it back.
#[track_caller]
fn exchange(mut socket: &Socket, text: &[u8]) {
    socket.write_all(text).expect("it is relayed");
    let mut back = vec![0; text.len()];
    socket.read_exact(&mut back).expect("it is relayed");
    assert!(back == text);
}
