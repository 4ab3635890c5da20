//! `serve`: echo and sink servers, written once over the traits and once for threads.
//!
//! epoll and io_uring run tasks on a runtime for each thread (`tasks`); blocking runs a thread
//! for each connection on the synchronous face (`threads`). All of them stop in the same way:
//! accept no more, finish what was accepted, for at most [`GRACE`].

mod echo;
mod ledger;
pub(crate) mod scratch;
mod sink;
pub(crate) mod stop;
mod tasks;
mod threads;

use std::fmt;
use std::time::Duration;

use unix_transport::{Address, BytePath, Epoll, ListenOptions, Settings, Uring};

use crate::arguments::{self, BackendName, ServeOptions, Service};
use crate::failure::{Failure, Result, warn};
use crate::measure::limits;
use crate::output;
use ledger::Totals;
use stop::Signals;

/// How long a server that stops lets its connections go on.
pub const GRACE: Duration = Duration::from_secs(2);

/// What a server is asked to do, parsed.
#[derive(Clone, Debug)]
pub struct Task {
    /// What happens to the bytes.
    pub service: Service,
    /// Where to listen.
    pub address: Address,
    /// How to listen there.
    pub listening: ListenOptions,
    /// How many threads with a runtime each.
    pub threads: u16,
    /// How long to look for work before sleeping, at most.
    pub spin: Duration,
    /// The process that started this one, to stop when it ends.
    pub parent: Option<u32>,
}

impl Task {
    /// The failure of something that listening at the address needs, and which does not know it.
    fn unable(&self, cause: impl fmt::Display) -> Failure {
        Failure::new(format_args!("listen on {}", self.address), cause)
    }

    /// That clients can't be accepted now, and wait.
    fn waiting_for_room(&self, cause: impl fmt::Display) -> String {
        format!("accept on {}: {cause}; clients wait until there is room", self.address)
    }

    /// Says on standard output that the server listens.
    fn announce(&self, backend: &str, threads: impl fmt::Display) -> Result<()> {
        let Task { service, address, .. } = self;
        say(format_args!("{service} server listens on {address} with {backend}, {threads}"))
    }
}

/// Serves until a signal.
///
/// # Errors
/// Those of opening the backend, listening and accepting.
pub fn run(options: &ServeOptions) -> Result<()> {
    let address = arguments::address("listen on", &options.path)?;
    let task = Task {
        service: options.service,
        address,
        listening: options.listening.options(),
        threads: options.threads,
        spin: Duration::from_micros(options.spin.into()),
        parent: options.parent,
    };
    serve(options.listening.backend, &task)
}

/// Serves `task` with `backend`, by the cheaper one of its byte paths.
///
/// # Errors
/// As [`run`].
pub fn serve(backend: BackendName, task: &Task) -> Result<()> {
    match backend {
        BackendName::Auto => serve(selected(&task.address)?, task),
        BackendName::Blocking => serve_with(task, |signals| threads::serve(task, signals)),
        BackendName::Epoll => serve_tasks::<Epoll>(task, None),
        BackendName::Uring => serve_tasks::<Uring>(task, None),
    }
}

/// Serves `task` with tasks over the traits, by this byte path, or by the cheaper one.
///
/// # Errors
/// As [`run`].
pub fn serve_tasks<B: unix_transport::Backend>(task: &Task, path: Option<BytePath>) -> Result<()> {
    serve_with(task, |signals| tasks::serve::<B>(task, path, signals))
}

fn serve_with(task: &Task, serve: impl FnOnce(Signals) -> Result<Totals>) -> Result<()> {
    // Ten thousand connections need ten thousand descriptors.
    limits::raise_open_files()?;
    // Before anything exists that a signal would leave behind.
    let signals = Signals::expect(task.parent).map_err(|failure| task.unable(failure))?;
    let totals = serve(signals)?;
    say(totals)
}

/// What `auto` stands for here, for listening `at`; what was passed over is said on standard error.
pub(crate) fn selected(at: impl fmt::Display) -> Result<BackendName> {
    let unable = |cause: &dyn fmt::Display| Failure::new(format_args!("listen on {at}"), cause);
    let selection = unix_transport::select("auto", &Settings::default());
    let selection = selection.map_err(|error| unable(&error))?;
    for (name, reason) in &selection.passed_over {
        warn(format_args!("{name} is passed over: {reason}"));
    }
    let named = [BackendName::Uring, BackendName::Epoll, BackendName::Blocking];
    let found = named.into_iter().find(|named| named.name() == selection.name);
    found.ok_or_else(|| unable(&format_args!("the backend {} is not served", selection.name)))
}

/// Says on standard output how many connections each thread had.
fn report_shares(totals: &[Totals]) -> Result<()> {
    let shares: Vec<String> = totals.iter().map(|of| of.connections().to_string()).collect();
    say(format_args!("connections of each thread: {}", shares.join(", ")))
}

/// Prints a line. A server goes on when nobody reads it.
pub(crate) fn say(text: impl fmt::Display) -> Result<()> {
    match output::print(text) {
        Err(Failure::OutputClosed) => Ok(()),
        said => said,
    }
}
