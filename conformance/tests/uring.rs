//! The suite against the backend `uring`.

use std::process::ExitCode;

use backend_uring::Uring;
use conformance::{Fixture, TransportOf};

struct OnTrait;

impl Fixture for OnTrait {
    const NAME: &'static str = "uring";
    type Backend = Uring;

    fn bytes_lent_to_kernel(transport: &TransportOf<Self>) -> Option<usize> {
        Some(transport.bytes_lent())
    }

    fn is_ring_memory(transport: &TransportOf<Self>, bytes: &[u8]) -> Option<bool> {
        Some(transport.is_ring_memory(bytes))
    }
}

fn main() -> ExitCode {
    conformance::main::<OnTrait>()
}
