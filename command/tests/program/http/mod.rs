//! Files over HTTP, as curl, nginx and whoever writes requests by hand sees them, on each backend.

mod ending;
mod files;
mod limits;
mod nginx;
mod outside;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{PROGRAM, Server, directory};

/// A server, the folder that it serves, and its socket beside it.
struct Site {
    server: Server,
    directory: TempDir,
}

impl Site {
    /// Serves an empty folder.
    fn start(backend: &str, more: &[&str]) -> Site {
        let directory = directory();
        let command = command(backend, directory.path(), more);
        let server = Server::start_command(command, &directory.path().join("socket"));
        Site { server, directory }
    }

    /// Makes a file in the folder.
    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let file = self.directory.path().join("root").join(name);
        fs::create_dir_all(file.parent().expect("the root, at least")).expect("folders");
        fs::write(file, contents).expect("a new file");
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// One request, with more lines of its head, on a connection of its own.
    fn ask(&self, method: &str, path: &str, more: &str) -> Answer {
        let mut stream = self.server.connect();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).expect("it is served");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("it is answered");
        Answer::parse(&bytes)
    }
}

/// The command that serves the folder `root` beside its socket, which it makes.
fn command(backend: &str, directory: &Path, more: &[&str]) -> Command {
    let root = directory.join("root");
    fs::create_dir_all(&root).expect("a folder");
    let mut command = Command::new(PROGRAM);
    command.args(["http", "--unlink", "--backend", backend, "--root"]).arg(root).args(more);
    command.arg(directory.join("socket"));
    command
}

/// What the server says.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer { status: status.expect("a number"), head, body: bytes[end + 4..].to_vec() }
    }

    /// A line of the head.
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(its_name, _)| *its_name == name).map(|(_, value)| value)
    }
}
