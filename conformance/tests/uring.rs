//! The suite against the backend `uring`.

use std::process::ExitCode;

use backend_uring::Uring;
use conformance::Fixture;

struct OnTrait;

impl Fixture for OnTrait {
    const NAME: &'static str = "uring";
    type Backend = Uring;
}

fn main() -> ExitCode {
    conformance::main::<OnTrait>()
}
