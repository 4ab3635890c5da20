//! Comparisons of unix-transport with what people would use instead.
//!
//! `cargo run --release -p benches -- quick` pairs it with tokio in a minute; `matrix` measures every
//! server under every load, and `report` says what that showed: see `docs/performance.md`. The load
//! generator and the pairing are those of the command's `compare` ([`command::measure`]); this
//! program adds servers that the command does not have, each a process of its own: this program
//! again, as `benches serve [--service SERVICE] NAME PARENT PATH`, or a [peer](peers).

mod cells;
mod families;
mod heats;
mod matrix;
mod measuring;
mod peers;
mod quick;
mod report;
mod results;
mod roster;
mod servers;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use command::arguments::Service;
use command::measure::generator::process;

use servers::Kind;

/// Compare unix-transport with its peers.
#[derive(Debug, Parser)]
#[command(name = "benches")]
enum Arguments {
    /// Echo servers at 128 connections of 64 bytes, in pairs with tokio and with tokio as its own
    /// control
    Quick(quick::Options),
    /// Every server under every load; goes on where an earlier run was interrupted
    Matrix(matrix::Options),
    /// What a folder of results says: tables, CSV, JSON and a page
    Report(report::Options),
    /// Build the peers, and check that each echoes
    Peers(peers::Options),
    /// Load a server as standard input says
    #[command(hide = true)]
    Generate(process::Options),
    /// Be one of the servers, until the parent process ends
    #[command(hide = true)]
    Serve {
        /// What to do with the bytes of a connection.
        #[arg(long, value_enum, default_value = "echo")]
        service: Service,
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
        Arguments::Matrix(options) => matrix::run(&options),
        Arguments::Report(options) => report::run(&options),
        Arguments::Peers(options) => peers::run(&options),
        Arguments::Generate(options) => process::serve(&options),
        Arguments::Serve { service, kind, parent, path } => {
            servers::run(kind, service, parent, &path)
        }
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
