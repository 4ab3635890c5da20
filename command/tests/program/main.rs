//! The program as its users meet it: the real binary, its exit codes, its words, its costs.
//!
//! Needs nothing but Rust; what is better seen with another program (Python, strace) says so when
//! it is not installed.

mod comparing;
mod costs;
mod errors;
mod http;
mod limits;
mod proxy;
mod round_trips;
mod stopping;
mod support;
mod system_calls;
