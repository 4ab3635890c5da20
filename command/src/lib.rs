//! The command `unix-transport`: serve and connect over any backend, and compare the backends.
//!
//! It is a library with a small program, so that the package `benches` measures the very servers
//! and uses the very load generator of the command. Files by concept:
//!
//! - [`arguments`]: the command line, its help and its exit codes;
//! - [`failure`]: one-line errors; [`output`]: all other words;
//! - [`backends`]: which backends work here;
//! - [`buffer`]: memory to read into; [`serve`]: the echo and sink servers;
//! - [`proxy`]: relays between Unix sockets and TCP;
//! - [`http`]: the files of a folder;
//! - [`connect`]: a client of standard input and output;
//! - [`measure`]: servers under load, in turn; [`compare`]: the backends measured against
//!   blocking.

pub mod arguments;
pub mod backends;
pub mod buffer;
pub mod compare;
pub mod connect;
pub mod failure;
pub mod http;
pub mod measure;
pub mod output;
pub mod proxy;
pub mod serve;

use std::process::ExitCode;

use arguments::{Arguments, Subcommand};

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(exit_code) => return exit_code,
    };
    let done = match arguments.subcommand {
        Some(Subcommand::Backends) => backends::print(),
        Some(Subcommand::Serve(options)) => serve::run(&options),
        Some(Subcommand::Proxy(options)) => proxy::run(&options),
        Some(Subcommand::Connect(options)) => connect::run(&options),
        Some(Subcommand::Http(options)) => http::run(&options),
        Some(Subcommand::Compare(options)) => compare::run(&options),
        Some(Subcommand::Generate(options)) => measure::generator::process::serve(&options),
        None => compare::run(&arguments.compare),
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
