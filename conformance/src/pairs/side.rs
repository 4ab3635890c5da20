//! One side of a pair: its transport, its notes, and a line to the other side.

use std::io;
use std::os::fd::OwnedFd;

use transport_core::{
    Address, AdoptOptions, ConnectOptions, Connection, Error, PollRead, PollWrite, Transport,
};

/// One side of a pair.
pub(super) struct Side<T: Transport> {
    pub(super) transport: T,
    /// A connection to the other side, only for waiting for each other: through the backend, so
    /// that its driver turns meanwhile.
    line: T::Connection,
    notes: Vec<String>,
}

impl<T: Transport> Side<T> {
    pub(super) fn new(transport: T, line: OwnedFd) -> Side<T> {
        let line = transport.adopt_connection(line, &AdoptOptions::new());
        let line = line.expect("it is one end of a socket pair");
        Side { transport, line, notes: Vec::new() }
    }

    /// Waits until the other side is here, too.
    pub(super) async fn meet(&mut self) {
        self.line.write_all(b"!").await.expect("the other side is alive");
        self.line.read_exact(&mut [0]).await.expect("the other side is alive");
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Notes what one read gives: the text, or `read` and the kind of the error.
    pub(super) async fn note_read(&mut self, act: &str, from: &mut impl Connection) {
        let mut buf = [0; 64];
        let note = match from.read(&mut buf).await {
            Ok(length) => format!("{act}: Ok({:?})", String::from_utf8_lossy(&buf[..length])),
            Err(error) => format!("{act}: read {:?}", error.kind()),
        };
        self.note(note);
    }

    /// Notes how writing fails.
    pub(super) async fn note_write_error(&mut self, act: &str, to: &mut impl Connection) {
        self.note(format!("{act}: write {}", kind(to.write(b"x").await)));
    }

    pub(super) async fn connect(&self, to: &Address) -> T::Connection {
        self.transport.connect(to, &ConnectOptions::new()).await.expect("the server listens")
    }

    pub(super) async fn connect_error(&self, to: &Address, options: &ConnectOptions) -> Error {
        let connected = self.transport.connect(to, options).await;
        connected.err().expect("this act is about an error")
    }

    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes
    }
}

/// The kind of the error, or "Ok".
pub(super) fn kind<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |_| "Ok".to_owned())
}
