//! The suite against the backend `epoll`.

use std::process::ExitCode;

use backend_epoll::Epoll;
use conformance::Fixture;

struct OnTrait;

impl Fixture for OnTrait {
    const NAME: &'static str = "epoll";
    type Backend = Epoll;
}

fn main() -> ExitCode {
    conformance::main::<OnTrait>()
}
