//! Case 141: two backends talk to each other, and what each side sees is the same transcript for
//! all nine pairs (rule X2).
//!
//! The server and the client run on threads of their own, each in a runtime of its own. What each
//! sees is written down, and held against the one transcript below.

mod acts;
mod side;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use crate::case::{Case, Needs, Outcome};
use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle;
use crate::runner::Suite;
use side::Side;

/// Runs case 141 with `Server` listening and `Client` connecting: the whole `main` of a test
/// target with `harness = false`. For more pairs in one target use [`Suite::pair`].
#[must_use]
pub fn pairs<Server: Fixture, Client: Fixture>() -> ExitCode {
    Suite::new().pair::<Server, Client>().main()
}

impl Suite {
    /// Adds case 141 with `Server` listening and `Client` connecting. Both must be able to do two
    /// things at once.
    #[must_use]
    pub fn pair<Server: Fixture, Client: Fixture>(self) -> Suite {
        let case = Case::<Server> {
            id: 141,
            name: "one_transcript",
            needs: Needs::CONCURRENT | Needs::DESCRIPTORS,
            run: |cx| {
                one_transcript::<Server, Client>(cx);
                Outcome::Pass
            },
        };
        self.cases(&format!("{}_serves_{}", Server::NAME, Client::NAME), vec![case])
    }
}

/// What the server sees, whatever backends the two are.
const SERVER: [&str; 19] = [
    "echo: done",
    "credentials: this process",
    r#"half-close: Ok("early")"#,
    r#"half-close: Ok("")"#,
    "close_read: Ok",
    "reset: closed with 6 bytes unread",
    "owned: 300000 bytes, then the end",
    r#"vectored: Ok("onetwothree")"#,
    r#"descriptors: 1, and reading it gives "content""#,
    r#"gone: Ok("last")"#,
    r#"gone: Ok("")"#,
    "closer: read NotConnected",
    "closer: write NotConnected",
    "deadline: read TimedOut",
    "backlog: accepted the one that was admitted",
    "drain: accepted the one that was queued",
    "drain: then accept NotConnected",
    "drain: closed",
    "end: the file is gone",
];

/// What the client sees.
const CLIENT: [&str; 17] = [
    "echo: 1048576 bytes came back, then the end",
    "credentials: this process",
    r#"half-close: Ok("late")"#,
    "close_read: write BrokenPipe",
    r#"close_read: Ok("still")"#,
    r#"reset: Ok("parting")"#,
    "reset: read ConnectionReset",
    r#"reset: Ok("")"#,
    r#"reset: Ok("")"#,
    "reset: write BrokenPipe",
    "vectored: 11",
    "descriptors: 1",
    r#"closer: Ok("")"#,
    "closer: write BrokenPipe",
    "backlog: WouldBlock, then TimedOut",
    "drain: connect ConnectionRefused",
    "end: connect NotFound",
];

fn one_transcript<Server: Fixture, Client: Fixture>(cx: &mut Context<Server>) {
    let address = cx.address("s");
    let (servers, clients) = UnixStream::pair().expect("a pair needs nothing");
    let at = address.clone();
    let (ready, wait) = std::sync::mpsc::channel();
    let client = oracle::peer(move || {
        let cx = Context::<Client>::new();
        wait.recv().expect("the server listens, or has failed");
        cx.run(async |transport| {
            let side = Side::new(transport, OwnedFd::from(clients));
            acts::client(side, &at).await
        })
    });
    let seen_by_server = cx.run(async |transport| {
        let side = Side::new(transport, OwnedFd::from(servers));
        acts::server(side, &address, move || ready.send(()).expect("the client waits")).await
    });
    assert_eq!(seen_by_server, SERVER, "what the server saw");
    assert_eq!(client.finish(), CLIENT, "what the client saw");
}
