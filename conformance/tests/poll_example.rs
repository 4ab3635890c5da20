//! The suite against the example's backend: a backend of one's own is one fixture away.

#[path = "../../examples/poll_backend/reactor.rs"]
mod reactor;

use std::process::ExitCode;

use conformance::{Capabilities, Fixture};

struct Example;

impl Fixture for Example {
    const NAME: &'static str = "poll-example";
    type Backend = reactor::Poll;

    fn capabilities() -> Capabilities {
        Capabilities::all().without(Capabilities::NESTED | Capabilities::OWNED_BY_COMPLETION)
    }
}

fn main() -> ExitCode {
    conformance::main::<Example>()
}
