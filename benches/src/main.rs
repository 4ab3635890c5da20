//! Comparisons of unix-transport with what people would use instead.
//!
//! `cargo run --release -p benches -- quick` pairs it with tokio. The load generator and the
//! pairing are those of the command's `compare` ([`command::measure`]); this program adds servers
//! that the command does not have, each a process of its own: this program again, as
//! `benches serve NAME PARENT PATH`.

mod quick;
mod servers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use servers::Kind;

/// Compare unix-transport with its peers.
#[derive(Debug, Parser)]
#[command(name = "benches")]
enum Arguments {
    /// Echo servers at 128 connections of 64 bytes, in pairs with tokio and with tokio as its own
    /// control
    Quick(quick::Options),
    /// Be one of the servers, until the parent process ends
    #[command(hide = true)]
    Serve {
        /// Which.
        kind: Kind,
        /// The process that started this one.
        parent: u32,
        /// Where.
        path: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse() {
        Arguments::Quick(options) => quick::run(&options),
        Arguments::Serve { kind, parent, path } => servers::run(kind, parent, &path),
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
