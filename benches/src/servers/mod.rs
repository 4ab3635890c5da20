//! The echo and sink servers that this program can be: ours, as the command has them and inside
//! tokio, and raw loops.

mod in_tokio;
mod raw;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use command::arguments::{BackendName, Service};
use command::failure::{Failure, Result};
use command::output;
use command::serve::{self, Task};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use unix_transport::{
    Address, Availability, Backend, Blocking, BytePath, Epoll, ListenOptions, Uring,
};

/// How long those that spin look for work before they sleep: as the documentation of
/// `Settings::spin` advises.
const SPIN: Duration = Duration::from_micros(100);

/// A server. Its help on the command line says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Our epoll backend, as the command serves with it.
    Epoll,
    /// Our epoll backend by its owned path.
    EpollOwned,
    /// Our epoll backend, spinning before it sleeps.
    EpollSpin,
    /// Our io_uring backend, as the command serves with it: by the path that is the cheaper one here.
    Uring,
    /// Our io_uring backend by its owned path.
    UringOwned,
    /// Our io_uring backend by its borrowed path.
    UringBorrowed,
    /// Our io_uring backend, spinning before it sleeps.
    UringSpin,
    /// Our blocking backend by its synchronous face, a thread per connection.
    Blocking,
    /// Our sockets on the reactor of a tokio runtime of one thread.
    HostedTokio,
    /// Our io_uring backend nested in a tokio runtime of one thread, by its owned path.
    NestedUring,
    /// An epoll loop without tasks.
    RawEpoll,
    /// The epoll loop with a task for each connection: what futures cost, and nothing else.
    RawEpollTasks,
    /// A ring loop: multishot receives into provided buffers, sends from those.
    RawRingOwned,
    /// The ring loop of multishot receives and queued sends with a task for each connection.
    RawRingOwnedTasks,
    /// A ring loop: multishot receives into provided buffers, direct calls to send.
    RawRingDirect,
    /// A ring loop: multishot polls, direct calls.
    RawRingBorrowed,
    /// The ring loop of polls with a task for each connection: what futures cost there.
    RawRingTasks,
    /// A ring loop: one-shot receives into each connection's own buffer, sends from there.
    RawRing,
    /// The ring loop of one-shot operations with a task for each connection, which awaits each.
    RawRingOneshotTasks,
    /// Blocking calls, a thread per connection.
    RawBlocking,
}

impl Kind {
    /// Whether it works here, as what is asked for.
    pub(crate) fn availability(self, service: Service) -> Availability {
        match self {
            Kind::RawRingOwnedTasks if service == Service::Sink => {
                Availability::No("it only echoes".to_owned())
            }
            Kind::HostedTokio | Kind::RawEpoll | Kind::RawEpollTasks | Kind::RawBlocking => {
                Availability::Yes(String::new())
            }
            Kind::Epoll | Kind::EpollOwned | Kind::EpollSpin => Epoll::probe(),
            Kind::Uring
            | Kind::UringOwned
            | Kind::UringBorrowed
            | Kind::UringSpin
            | Kind::NestedUring => Uring::probe(),
            Kind::Blocking => Blocking::probe(),
            Kind::RawRingOwned
            | Kind::RawRingOwnedTasks
            | Kind::RawRingDirect
            | Kind::RawRingBorrowed
            | Kind::RawRingTasks
            | Kind::RawRing
            | Kind::RawRingOneshotTasks => raw::probe_ring(),
        }
    }
}

/// The name on the command line and in tables.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// Serves at `path` until the process `parent` ends.
pub(crate) fn run(kind: Kind, service: Service, parent: u32, path: &Path) -> Result<()> {
    let address = Address::path(path).map_err(|error| Failure::new("listen", error))?;
    let task = Task {
        service,
        address,
        listening: ListenOptions::new(),
        threads: 1,
        spin: Duration::ZERO,
        parent: Some(parent),
    };
    let other = |serve| serve_other(kind, service, parent, path, serve);
    let spinning = Task { spin: SPIN, ..task.clone() };
    match kind {
        Kind::Epoll => serve::serve(BackendName::Epoll, &task),
        Kind::EpollOwned => serve::serve_tasks::<Epoll>(&task, Some(BytePath::Owned)),
        Kind::EpollSpin => serve::serve(BackendName::Epoll, &spinning),
        Kind::Uring => serve::serve(BackendName::Uring, &task),
        Kind::UringOwned => serve::serve_tasks::<Uring>(&task, Some(BytePath::Owned)),
        Kind::UringBorrowed => serve::serve_tasks::<Uring>(&task, Some(BytePath::Borrowed)),
        Kind::UringSpin => serve::serve(BackendName::Uring, &spinning),
        Kind::Blocking => serve::serve(BackendName::Blocking, &task),
        Kind::HostedTokio => other(in_tokio::hosted),
        Kind::NestedUring => other(in_tokio::nested),
        Kind::RawEpoll => other(raw::epoll),
        Kind::RawEpollTasks => other(raw::epoll_tasks),
        Kind::RawRingOwned => other(raw::ring_owned),
        Kind::RawRingOwnedTasks => other(raw::ring_owned_tasks),
        Kind::RawRingDirect => other(raw::ring_direct),
        Kind::RawRingBorrowed => other(raw::ring_borrowed),
        Kind::RawRingTasks => other(raw::ring_tasks),
        Kind::RawRing => other(raw::ring),
        Kind::RawRingOneshotTasks => other(raw::ring_oneshot_tasks),
        Kind::RawBlocking => other(raw::blocking),
    }
}

/// Runs a server that never ends by itself: the end of its parent ends it.
fn serve_other(
    kind: Kind,
    service: Service,
    parent: u32,
    path: &Path,
    serve: fn(&Path, Service, &dyn Fn()) -> io::Result<()>,
) -> Result<()> {
    let failed = |error| Failure::new(format_args!("serve with {kind}"), error);
    prctl::set_pdeathsig(Signal::SIGTERM).map_err(|errno| failed(errno.into()))?;
    // It may have ended before it was watched; its children have another parent then.
    if u32::try_from(getppid().as_raw()) != Ok(parent) {
        return Err(failed(io::Error::other("the parent process ended")));
    }
    let listens = || {
        // Whoever started this waits for the line; if nobody reads it, nobody waits.
        _ = output::print(format_args!("{service} server listens on {}", path.display()));
    };
    serve(path, service, &listens).map_err(failed)
}
