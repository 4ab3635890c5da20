//! The suite against the backend `auto`: the best one that works here, in its erased form.

use std::process::ExitCode;

use conformance::Fixture;
use unix_transport::Auto;

struct OnErased;

impl Fixture for OnErased {
    const NAME: &'static str = "auto";
    type Backend = Auto;
}

fn main() -> ExitCode {
    conformance::main::<OnErased>()
}
