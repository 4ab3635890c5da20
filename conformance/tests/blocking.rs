//! The suite against the backend `blocking`.

use std::process::ExitCode;

use backend_blocking::Blocking;
use conformance::{Capabilities, Fixture};

struct OnTrait;

impl Fixture for OnTrait {
    const NAME: &'static str = "blocking";
    type Backend = Blocking;

    fn capabilities() -> Capabilities {
        Capabilities::all().without(Capabilities::NESTED | Capabilities::OWNED_BY_COMPLETION)
    }
}

fn main() -> ExitCode {
    conformance::main::<OnTrait>()
}
