//! Measuring echo servers against each other, fairly, on a machine whose speed drifts.
//!
//! All servers are alive at once, each a process of its own on one core. Each has a load
//! [generator], also a process of its own, on another core; they are released in turn, for a short
//! slice each. What is compared is compared within one rotation, so that drift hits both sides
//! alike. The command's `compare` and the package `benches` both stand on this.
//!
//! A program that measures must answer the hidden subcommand of [`generator::process`].

pub mod accounting;
pub mod cores;
pub mod generator;
pub mod interruption;
pub mod limits;
pub mod line_up;
pub mod machine;
pub mod measured;
pub mod plan;
pub mod rotation;
pub mod server;
pub mod statistics;
pub mod syscalls;
pub mod workload;

pub use accounting::Times;
pub use cores::Cores;
pub use interruption::Interruption;
pub use line_up::LineUp;
pub use measured::{Measured, Memory, Slice};
pub use plan::Plan;
pub use server::Server;
pub use statistics::Quartiles;
pub use syscalls::Syscalls;
pub use workload::Workload;
