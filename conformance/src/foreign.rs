//! Peers in other languages: external programs that play the other side, told what to do line by
//! line.
//!
//! The programs under `peers/` answer every command with one line: `serve ADDRESS` ("listening",
//! with a backlog of 4), `accept` ("accepted"), `connect ADDRESS` ("connected"), `echo` (until the
//! end: "echoed N"), `check N` (the client of an echo: "same N"), `write HEX` ("wrote"), `read`
//! ("read HEX" or "end"), `close-read`, `close-write`, `close` ("closed"), `fill ADDRESS` ("filled
//! N ERRNO": N clients, then the error), `empty` (closes those), `legal ADDRESS` ("yes" or "no").
//! A failed one answers "failed ERRNO". Addresses are `p:HEX` and `a:HEX`.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use transport_core::Address;

/// A running program. Dropping it ends it.
pub struct Foreign {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Foreign {
    /// Starts `program` with `source`, which is put into `directory`.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(program: &str, directory: &Path, file: &str, source: &str) -> Foreign {
        let source_path = directory.join(file);
        fs::write(&source_path, source).expect("the directory is the case's own");
        let mut child = Command::new(program)
            .arg(&source_path)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is installed, but: {error}"));
        let commands = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Foreign { child, commands, answers }
    }

    /// Sends a command; its answer is to be [heard](Self::hear).
    ///
    /// # Panics
    /// If the program is gone.
    pub fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the program reads its commands");
    }

    /// The next answer.
    ///
    /// # Panics
    /// If the program is gone.
    #[must_use]
    pub fn hear(&mut self) -> String {
        let answer = self.answers.next().expect("the program answers every command");
        answer.expect("its answers can be read")
    }

    /// Sends a command, and answers its answer.
    ///
    /// # Panics
    /// If the program is gone.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.hear()
    }

    /// Sends a command that must be answered with exactly this.
    ///
    /// # Panics
    /// If the answer is another one.
    pub fn expect(&mut self, command: &str, answer: &str) {
        assert_eq!(self.ask(command), answer, "the answer to `{command}`");
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // Whatever it is doing; an error means that it has ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Whether `program` with these arguments runs and ends well: whether it is installed.
#[must_use]
pub fn is_installed(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// An address in the form that the programs read.
///
/// # Panics
/// For the unnamed address.
#[must_use]
pub fn argument(address: &Address) -> String {
    match address {
        Address::Path(path) => path_argument(path.as_bytes()),
        Address::Abstract(name) => name_argument(name.as_bytes()),
        Address::Unnamed => panic!("nobody can reach the unnamed address"),
    }
}

/// Any bytes as a path, legal or not.
#[must_use]
pub fn path_argument(bytes: &[u8]) -> String {
    format!("p:{}", hex(bytes))
}

/// Any bytes as an abstract name, legal or not.
#[must_use]
pub fn name_argument(bytes: &[u8]) -> String {
    format!("a:{}", hex(bytes))
}

/// Two digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}"); // a String never fails
        text
    })
}
