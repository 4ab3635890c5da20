//! The suite against the backend `auto`: the best one that works here, in its erased form.

use std::process::ExitCode;

use conformance::{Capabilities, Fixture};
use unix_transport::Auto;

struct OnErased;

impl Fixture for OnErased {
    const NAME: &'static str = "auto";
    type Backend = Auto;

    fn capabilities() -> Capabilities {
        // The erased form can't be asked whose memory a chunk is (case 163).
        Capabilities::all().without(Capabilities::OWNED_BY_COMPLETION)
    }
}

fn main() -> ExitCode {
    conformance::main::<OnErased>()
}
