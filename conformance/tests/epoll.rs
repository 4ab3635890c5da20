//! The suite against the backend `epoll`.

use std::process::ExitCode;

use backend_epoll::Epoll;
use conformance::{Capabilities, Fixture};

struct OnTrait;

impl Fixture for OnTrait {
    const NAME: &'static str = "epoll";
    type Backend = Epoll;

    fn capabilities() -> Capabilities {
        Capabilities::all().without(Capabilities::OWNED_BY_COMPLETION)
    }
}

fn main() -> ExitCode {
    conformance::main::<OnTrait>()
}
