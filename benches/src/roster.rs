//! Who takes part: our servers and raw loops, which are in this program, and the peers, which are
//! programs of their own and are built when they are needed.

use std::ffi::OsString;
use std::process::Command;

use clap::ValueEnum as _;
use command::arguments::Service;
use command::failure::{Failure, Result};
use command::measure::Interruption;
use command::output;
use unix_transport::Availability;

use crate::peers::{self, Peer};
use crate::servers::Kind;

/// Whom the others are compared to unless it is said otherwise: what people would use instead.
pub(crate) const BASELINE: &str = "tokio";

/// A server that takes part, or would if it could.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// As it is called on the command line and in tables.
    pub(crate) name: String,
    /// What it is, in a few words.
    pub(crate) about: String,
    /// Its version, or that of the library below it.
    pub(crate) version: String,
    /// How it is started to echo, or why it cannot be.
    pub(crate) echo: Result<Program, String>,
    /// The same as a sink.
    pub(crate) sink: Result<Program, String>,
}

/// A program with its arguments but for the last one, the path to listen at.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    name: OsString,
    arguments: Vec<OsString>,
}

impl Program {
    /// The command that starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments);
        command
    }
}

impl From<&Command> for Program {
    fn from(command: &Command) -> Program {
        let arguments = command.get_args().map(ToOwned::to_owned);
        Program { name: command.get_program().to_owned(), arguments: arguments.collect() }
    }
}

/// The servers called `names`, or all, and the baseline. Peers among them are built first, which
/// takes minutes the first time.
///
/// # Errors
/// A name that nobody has; an interruption.
pub(crate) fn gather(
    names: &[String],
    baseline: &str,
    interruption: &Interruption,
) -> Result<Vec<Member>> {
    let ours = ours()?;
    let known = |name: &str| {
        ours.iter().any(|member| member.name == name)
            || peers::all().iter().any(|peer| peer.name == name)
    };
    let mut asked = names.iter().map(String::as_str).chain([baseline]);
    if let Some(unknown) = asked.find(|name| !known(name)) {
        let names = ours.iter().map(|member| member.name.as_str());
        let names: Vec<&str> = names.chain(peers::all().iter().map(|peer| peer.name)).collect();
        let names = names.join(", ");
        return Err(Failure::Usage(format!("no server is called {unknown}; there are {names}")));
    }
    let wanted =
        |name: &str| name == baseline || names.is_empty() || names.iter().any(|one| one == name);
    let mut members: Vec<Member> = ours.into_iter().filter(|member| wanted(&member.name)).collect();
    let bar = output::progress(peers::all().len());
    for peer in peers::all() {
        if wanted(peer.name) {
            let show = |line: &str| bar.set_message(format!("{}: {line}", peer.name));
            members.push(Member::of_peer(peer, show));
            interruption.check()?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(members)
}

/// Our servers and the raw loops: this program again.
fn ours() -> Result<Vec<Member>> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::new("find this program", error))?;
    let kinds = Kind::value_variants().iter();
    let member = |kind: &Kind| {
        let name = kind.to_string();
        let started = |service: Service| {
            let parent = std::process::id().to_string();
            let mut command = Command::new(&program);
            command.args(["serve", "--service", &service.to_string(), &name, &parent]);
            match kind.availability(service) {
                Availability::Yes(_) => Ok(Program::from(&command)),
                Availability::No(why) => Err(why),
            }
        };
        Member {
            about: about(*kind),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            echo: started(Service::Echo),
            sink: started(Service::Sink),
            name,
        }
    };
    Ok(kinds.map(member).collect())
}

/// What a server is: its help on the command line.
fn about(kind: Kind) -> String {
    let value = kind.to_possible_value();
    let help = value.as_ref().and_then(|value| value.get_help());
    help.map_or_else(String::new, ToString::to_string)
}

impl Member {
    /// How it is started as this service, or why it cannot be.
    pub(crate) fn program(&self, service: Service) -> &Result<Program, String> {
        match service {
            Service::Echo => &self.echo,
            Service::Sink => &self.sink,
        }
    }

    /// Builds a peer; what cargo says meanwhile goes to `show`.
    fn of_peer(peer: &Peer, show: impl Fn(&str)) -> Member {
        let built = peer.build(show);
        let version = match &built {
            Ok(_) => peer.version().unwrap_or_else(|why| why),
            Err(_) => "not built".to_owned(),
        };
        let started = |service| {
            let path = built.as_ref().map_err(String::clone)?;
            Ok(Program::from(&peer.command(path, service).ok_or("it only echoes")?))
        };
        Member {
            name: peer.name.to_owned(),
            about: peer.about.to_owned(),
            version,
            echo: started(Service::Echo),
            sink: started(Service::Sink),
        }
    }
}

#[cfg(test)]
impl Member {
    /// One that cannot be started.
    pub(crate) fn fixture(name: &str) -> Member {
        Member {
            name: name.to_owned(),
            about: String::new(),
            version: String::new(),
            echo: Err("a fixture".to_owned()),
            sink: Err("a fixture".to_owned()),
        }
    }
}
