//! The peers: echo servers on what people would use instead, each a package of its own below
//! `benches/peers`, built on demand so that one that does not build here costs only its own row.
//!
//! `benches peers` builds them all and proves of each that it echoes. Only tokio, which the others
//! are compared with, is also a sink.

mod check;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use command::arguments::Service;
use command::failure::{Failure, Result};
use command::output;

/// Where the packages are.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A peer, as it takes part under one name.
#[derive(Debug)]
pub(crate) struct Peer {
    /// As it is called on the command line and in tables.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// Its folder below `benches/peers`; two names may share one.
    package: &'static str,
    /// How many threads serve connections.
    threads: usize,
    /// Whether it can be a sink.
    sinks: bool,
    /// Why there is no such package.
    missing: Option<&'static str>,
}

const fn peer(name: &'static str, about: &'static str) -> Peer {
    Peer { name, about, package: name, threads: 1, sinks: false, missing: None }
}

/// All of them, the ones that most people would use first.
pub(crate) fn all() -> &'static [Peer] {
    const TOKIO: Peer =
        Peer { sinks: true, ..peer("tokio", "tokio, current-thread runtime (epoll)") };
    const TOKIO_MULTI: Peer = Peer {
        name: "tokio-multi",
        about: "tokio, multi-thread runtime with two workers (epoll)",
        package: "tokio",
        threads: 2,
        sinks: true,
        missing: None,
    };
    const NEXIO: Peer = Peer {
        missing: Some("no version of it is published at crates.io"),
        ..peer("nexio", "nexio")
    };
    const ALL: &[Peer] = &[
        TOKIO,
        TOKIO_MULTI,
        peer("mio", "an event loop over mio (epoll)"),
        peer("smol", "smol, executor of one thread (epoll)"),
        peer("may", "may, stackful coroutines on one worker (epoll)"),
        peer("threads", "standard library, a thread per connection (blocking calls)"),
        peer("monoio", "monoio (io_uring)"),
        peer("compio", "compio (io_uring)"),
        peer("glommio", "glommio (io_uring)"),
        peer("tokio-uring", "tokio-uring; tokio accepts (io_uring)"),
        peer("ringline", "ringline, one worker; a second thread accepts (io_uring)"),
        peer("kimojio", "kimojio (io_uring)"),
        peer("runite", "runite (io_uring)"),
        NEXIO,
    ];
    ALL
}

/// The peers called `names`, or all if there are none; a name that no peer has is an error.
fn called(names: &[String]) -> Result<Vec<&'static Peer>> {
    let known = |name: &&String| all().iter().any(|peer| peer.name == **name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        return Err(Failure::Usage(format!("there is no peer {unknown}")));
    }
    let wanted = |peer: &&Peer| names.is_empty() || names.iter().any(|name| name == peer.name);
    Ok(all().iter().filter(wanted).collect())
}

impl Peer {
    /// Builds it, which does little if nothing has changed, and answers where the program is. Blocks
    /// for as long as that takes; the first build downloads what the peer depends on.
    /// Each line that cargo says meanwhile goes to `show`.
    ///
    /// # Errors
    /// What cargo said is wrong, in one line.
    pub(crate) fn build(&self, show: impl Fn(&str)) -> Result<PathBuf, String> {
        if let Some(why) = self.missing {
            return Err(why.to_owned());
        }
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--release", "--locked", "--color", "never", "--manifest-path"]);
        build.arg(Path::new(PACKAGES).join(self.package).join("Cargo.toml"));
        build.arg("--target-dir").arg(target());
        build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = build.spawn().map_err(|error| format!("start cargo: {error}"))?;
        let mut wrong = None;
        for line in child.stderr.take().into_iter().flat_map(|said| BufReader::new(said).lines()) {
            let Ok(line) = line else { break }; // not text: how cargo ends tells the rest
            show(line.trim());
            // The first error is the cause; those after it follow from it.
            if wrong.is_none() && line.starts_with("error") {
                wrong = Some(line);
            }
        }
        let status = child.wait().map_err(|error| format!("wait for cargo: {error}"))?;
        if !status.success() {
            return Err(wrong.unwrap_or_else(|| format!("cargo build ended: {status}")));
        }
        self.built().ok_or_else(|| format!("cargo built no {}", self.program().display()))
    }

    /// Where the program is, if it was built before, perhaps from an older source.
    pub(crate) fn built(&self) -> Option<PathBuf> {
        Some(self.program()).filter(|program| program.is_file())
    }

    /// The runtime's name and version, as in `tokio 1.54.1`, from the built program.
    ///
    /// # Errors
    /// If it is not built, or does not run.
    pub(crate) fn version(&self) -> Result<String, String> {
        let program = self.built().ok_or("it is not built")?;
        let said = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        let said = said.map_err(|error| format!("ask for its version: {error}"))?;
        match std::str::from_utf8(&said.stdout).map(str::trim) {
            Ok(version) if said.status.success() && !version.is_empty() => Ok(version.to_owned()),
            _ => Err(format!("it does not say its version ({})", said.status)),
        }
    }

    /// The command that starts `program`, which is this peer's, but for the path to listen at, which
    /// is its last argument; nothing if it does not have this service. The server ends with this
    /// process.
    pub(crate) fn command(&self, program: &Path, service: Service) -> Option<Command> {
        let mut command = Command::new(program);
        match service {
            Service::Echo => {}
            Service::Sink if !self.sinks => return None,
            Service::Sink => drop(command.arg("--sink")),
        }
        if self.threads > 1 {
            command.args(["--threads", &self.threads.to_string()]);
        }
        command.arg(std::process::id().to_string());
        Some(command)
    }

    fn program(&self) -> PathBuf {
        target().join("release").join(format!("peer-{}", self.package))
    }
}

/// One folder for all, so that what several peers depend on is built once; below the workspace's
/// own, so that `cargo clean` takes it along.
fn target() -> PathBuf {
    let workspace = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target"),
        PathBuf::from,
    );
    workspace.join("peers")
}

/// Which peers to build.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which; all if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Builds peers, checks that each echoes, and prints a row for each.
///
/// # Errors
/// A name that no peer has, or if a peer does not build or does not echo, after all were tried.
pub(crate) fn run(options: &Options) -> Result<()> {
    let peers = called(&options.names)?;
    let bar = output::progress(peers.len());
    let mut table = output::table(&["peer", "version", "echo", "what it is"], 4);
    let mut failed = Vec::new();
    for peer in &peers {
        let built = peer.build(|line| bar.set_message(format!("{}: {line}", peer.name)));
        let checked = built.and_then(|program| {
            let version = peer.version()?;
            check::serves(peer, &program).map(|()| version).map_err(|failure| failure.to_string())
        });
        let row = match checked {
            Ok(version) => [peer.name, &version, "ok", peer.about].map(str::to_owned),
            Err(why) => {
                failed.extend(peer.missing.is_none().then_some(peer.name));
                [peer.name, "", "-", &why].map(str::to_owned)
            }
        };
        table.add_row(row);
        bar.inc(1);
    }
    bar.finish_and_clear();
    output::print(table.trim_fmt())?;
    match failed.as_slice() {
        [] => Ok(()),
        _ => Err(Failure::new("peers that do not serve here", failed.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_a_peer() {
        let mut packages: Vec<_> = std::fs::read_dir(PACKAGES)
            .expect("the folder of the peers")
            .map(|entry| entry.expect("an entry of it").path())
            .filter(|path| path.is_dir() && !path.ends_with("harness"))
            .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
            .collect();
        packages.sort();
        let built = all().iter().filter(|peer| peer.missing.is_none());
        let mut peers: Vec<_> = built.map(|peer| peer.package).collect();
        peers.sort_unstable();
        peers.dedup();
        assert_eq!(packages, peers);
    }

    /// A comparison of programs that were built differently would say little.
    #[test]
    fn peers_are_built_as_the_workspace_is() {
        let profile = |manifest: &Path| {
            let text = std::fs::read_to_string(manifest).expect("a manifest");
            let (_, after) = text.split_once("[profile.release]\n").expect("a release profile");
            after.split("\n[").next().map(str::trim).map(str::to_owned)
        };
        let ours = profile(&Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml"));
        for peer in all().iter().filter(|peer| peer.missing.is_none()) {
            let theirs = Path::new(PACKAGES).join(peer.package).join("Cargo.toml");
            assert_eq!(profile(&theirs), ours, "{}", theirs.display());
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        let named = called(&["mio".to_owned()]).expect("a peer of that name");
        assert_eq!(named.iter().map(|peer| peer.name).collect::<Vec<_>>(), ["mio"]);
        assert!(matches!(called(&["nobody".to_owned()]), Err(Failure::Usage(_))));
    }
}
