//! What a run was: its options, the sources it was built of, and where it took place.
//!
//! Cells of two runs are put together only if options and sources are the same.

use std::process::Command;
use std::time::SystemTime;

use command::measure::machine::Machine;
use serde::{Deserialize, Serialize};
use unix_transport::{Backend as _, Uring};

use super::control_of;
use crate::roster::Member;

/// The file `run.json` of a result folder.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    /// What must be the same for cells to belong together.
    pub(crate) options: Options,
    /// Where, of what, and when.
    pub(crate) environment: Environment,
}

/// What was asked for. Which cells is not part of it: they are measured one by one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Options {
    /// How long each cell's load lasts, in seconds.
    pub(crate) seconds_per_cell: u32,
    /// The server whose second copy is the control.
    pub(crate) baseline: String,
    /// All that take part, the control left out.
    pub(crate) servers: Vec<String>,
    /// The commit, with a digest of what was changed since.
    pub(crate) commit: String,
}

/// What figures say nothing without.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Environment {
    /// The processor's model.
    pub(crate) processor: String,
    /// How many cores this process may use.
    pub(crate) cores: usize,
    /// Which core has which part.
    pub(crate) placement: String,
    /// System, release and architecture.
    pub(crate) kernel: String,
    /// What the ring can do here, and how it sends; or why there is none.
    #[serde(default)]
    pub(crate) ring: String,
    /// The compiler, as it names itself.
    pub(crate) rustc: String,
    /// The servers, and what they were built of.
    pub(crate) servers: Vec<ServerVersion>,
    /// The command that measured.
    pub(crate) command: String,
    /// When it began, in UTC.
    pub(crate) begun: String,
}

/// A server and what it was built of.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct ServerVersion {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) about: String,
    /// Its version, or that of the library below it.
    pub(crate) version: String,
}

impl Environment {
    /// This machine, this program and this moment. To be asked before this process is confined to
    /// one core.
    pub(crate) fn now(placement: String, members: &[Member]) -> Environment {
        let Machine { processor, cores, kernel } = Machine::this();
        let servers = members.iter().map(|member| ServerVersion {
            name: member.name.clone(),
            about: member.about.clone(),
            version: member.version.clone(),
        });
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Environment {
            processor,
            cores,
            placement,
            kernel,
            ring: Uring::probe().to_string(),
            rustc: output_of("rustc", &["--version"]).unwrap_or_else(unknown),
            servers: servers.collect(),
            command: format!("cargo run --release -p benches -- {}", arguments.join(" ")),
            begun: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }
}

impl Run {
    /// Of which version a server is, or the one that it is the control of; nothing if it took no
    /// part.
    pub(crate) fn version_of(&self, server: &str) -> Option<&str> {
        let Options { baseline, .. } = &self.options;
        let name = if server == control_of(baseline) { baseline } else { server };
        let server = self.environment.servers.iter().find(|server| server.name == name);
        server.map(|server| server.version.as_str())
    }

    /// All of it, as pairs of what and how, for people.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let Run { options, environment } = self;
        let cores = if environment.cores == 1 { "core" } else { "cores" };
        vec![
            ("machine", format!("{}, {} {cores}", environment.processor, environment.cores)),
            ("kernel", environment.kernel.clone()),
            ("io_uring", environment.ring.clone()),
            ("placement", environment.placement.clone()),
            ("compiler", environment.rustc.clone()),
            ("commit", options.commit.clone()),
            ("load", format!("{} s for each cell", options.seconds_per_cell)),
            ("baseline", options.baseline.clone()),
            ("begun", environment.begun.clone()),
            ("command", environment.command.clone()),
        ]
    }
}

/// The commit that is checked out, and if tracked files differ from it, a digest of how. "unknown"
/// if git does not say.
pub(crate) fn commit() -> String {
    let Some(commit) = output_of("git", &["rev-parse", "--short=12", "HEAD"]) else {
        return unknown();
    };
    match output_of(
        "sh",
        &["-c", "git diff HEAD --quiet || git diff HEAD | git hash-object --stdin"],
    ) {
        Some(digest) if !digest.is_empty() => {
            format!("{commit} with changes {}", digest.get(..12).unwrap_or(&digest))
        }
        _ => commit,
    }
}

/// What a program, run in this package's folder, says in one line; nothing if it fails.
fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let said = output.status.success().then(|| String::from_utf8_lossy(&output.stdout));
    said.map(|said| said.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
