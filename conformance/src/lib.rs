//! One suite of numbered cases for every backend of `unix-transport`.
//!
//! A backend is right if it passes this suite: the cases are the contract of `docs/semantics.md`
//! in executable form, and their numbers are stable. A backend of your own needs a [`Fixture`]
//! and a test target without harness:
//!
//! ```no_run
//! # mod backend_mine {
//! #     pub struct Mine;
//! #     impl transport_core::Backend for Mine {
//! #         const NAME: &'static str = "mine";
//! #         type Transport = <backend_epoll::Epoll as transport_core::Backend>::Transport;
//! #         type Driver = <backend_epoll::Epoll as transport_core::Backend>::Driver;
//! #         fn probe() -> transport_core::Availability { backend_epoll::Epoll::probe() }
//! #         fn open(settings: &transport_core::Settings)
//! #             -> transport_core::Result<(Self::Transport, Self::Driver)> {
//! #             backend_epoll::Epoll::open(settings)
//! #         }
//! #     }
//! # }
//! struct Mine;
//!
//! impl conformance::Fixture for Mine {
//!     const NAME: &'static str = "mine";
//!     type Backend = backend_mine::Mine;
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     conformance::main::<Mine>()
//! }
//! ```
//!
//! Every case runs in a child process of its own, because umask, working directory, limits,
//! signals and user ids are per process, and because a hung system call can only be killed. The
//! peers that cases talk to are plain standard-library sockets on threads (the [`oracle`]).
//!
//! | variable | what it does |
//! |---|---|
//! | `CONFORMANCE_STRICT=1` | a skipped case fails |
//! | `CONFORMANCE_WATCHDOG=5` | seconds after which a case counts as hung; the default is 20 |
//! | `CONFORMANCE_SEED=7` | repeats a run of case 167, which prints its seed |

mod case;
pub mod cases;
mod census;
mod child;
mod context;
mod fixture;
pub mod foreign;
pub mod host;
pub mod mutants;
pub mod oracle;
mod pairs;
mod process;
mod runner;
pub mod steps;

pub use case::{Case, Needs, Outcome};
pub use census::Census;
pub use context::{Context, eventually};
pub use fixture::{Capabilities, ConnectionOf, DriverOf, Fixture, ListenerOf, TransportOf};
pub use pairs::pairs;
pub use runner::{CaseReport, Limits, Report, Suite, Verdict, main};
