//! The suite against the backend `blocking`.

use std::process::ExitCode;

use backend_blocking::Blocking;
use conformance::Fixture;

struct OnTrait;

impl Fixture for OnTrait {
    const NAME: &'static str = "blocking";
    type Backend = Blocking;
}

fn main() -> ExitCode {
    conformance::main::<OnTrait>()
}
