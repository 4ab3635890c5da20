//! A generator as a process: it holds the connections to one server and loads it when it is told
//! to.
//!
//! Each server of a measurement has its generator, because ten thousand connections take ten
//! thousand descriptors of a process, and most systems allow few more. Its parent, a
//! [`Remote`](super::Remote), writes requests to its standard input and reads an answer to each
//! from its standard output, both as lines of JSON; the first answer comes unasked, when all
//! connections are open. It ends when its input does, or at once when its parent ends.
//!
//! Every program that measures must run [`serve`] for the hidden subcommand [`SUBCOMMAND`]: the
//! generator is that program once more.

use std::io::{self, BufRead as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::{Load, Volume, latencies};
use crate::failure::{Failure, Result};
use crate::measure::Workload;
use crate::output;

/// The subcommand that a program must have, hidden, and answer with [`serve`].
pub const SUBCOMMAND: &str = "generate";

/// What a generator is told when it is started.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where the server listens
    pub path: PathBuf,
    /// What to do to it, as JSON
    #[arg(value_parser = |text: &str| serde_json::from_str::<Workload>(text))]
    pub workload: Workload,
}

/// What the parent asks for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// A slice of load; the latencies are kept if it counts.
    Run { length: Duration, counts: bool },
    /// The latencies that were kept.
    Latencies,
}

/// The answer to each request, or the text of what went wrong.
pub(super) type Answer = std::result::Result<Answered, String>;

/// What a generator answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answered {
    /// All connections are open, and each was used.
    Connected,
    /// The slice is over.
    Ran(Ran),
    /// See [`latencies::counts`].
    Latencies(Vec<(u64, u64)>),
}

/// What a slice of load was.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ran {
    /// What came back.
    pub volume: Volume,
    /// From the first message until the last was back.
    pub wall: Duration,
}

/// Is the generator until its input ends. What goes wrong with the server is an answer, too.
///
/// # Errors
/// Those of standard input and output.
pub fn serve(options: &Options) -> Result<()> {
    let failed = |error| Failure::new("generate load", error);
    // Death comes even during a slice. If the parent ended before this, so did input and output.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|errno| failed(errno.into()))?;
    let mut load = match Load::connect(options.workload, &options.path) {
        Ok(load) => load,
        Err(error) => return answer(&Err(error.to_string())),
    };
    answer(&Ok(Answered::Connected))?;
    let mut kept = latencies::histogram().map_err(failed)?;
    let mut unused = latencies::histogram().map_err(failed)?;
    for line in io::stdin().lock().lines() {
        let request = line.and_then(|line| Ok(serde_json::from_str(&line)?)).map_err(failed)?;
        let answered = match request {
            Request::Run { length, counts } => {
                let latencies = if counts { &mut kept } else { &mut unused };
                let begin = Instant::now();
                let volume = load.run(length, latencies);
                let wall = begin.elapsed();
                volume.map(|volume| Answered::Ran(Ran { volume, wall }))
            }
            Request::Latencies => Ok(Answered::Latencies(latencies::counts(&kept))),
        };
        answer(&answered.map_err(|error| error.to_string()))?;
    }
    Ok(())
}

fn answer(answer: &Answer) -> Result<()> {
    let line = serde_json::to_string(answer);
    output::print(line.map_err(|error| Failure::new("generate load", error))?)
}
