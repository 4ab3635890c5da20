//! Measuring echo servers against each other, fairly, on a machine whose speed drifts.
//!
//! All servers are alive at once, each a process of its own on one core; one
//! [generator] on another core gives each of them a short slice of load in turn. What is
//! compared is compared within one rotation, so that drift hits both sides alike. The command's
//! `compare` and the package `benches` both stand on this.

pub mod cores;
pub mod generator;
pub mod interruption;
pub mod line_up;
pub mod machine;
pub mod rotation;
pub mod server;
pub mod statistics;

pub use cores::Cores;
pub use generator::Workload;
pub use interruption::Interruption;
pub use line_up::LineUp;
pub use rotation::{Measured, Plan, Slice};
pub use server::Server;
pub use statistics::Quartiles;
