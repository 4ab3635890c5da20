//! The suite against the backend `uring`, by each of the two ways that its owned sends can go.

use std::process::ExitCode;

use backend_uring::Uring;
use conformance::{Fixture, Suite, TransportOf};
use transport_core::Settings;

/// Owned sends are requests to the ring, or, if they are direct, calls of `send(2)`.
struct OnTrait<const ARE_DIRECT: bool>;

impl<const ARE_DIRECT: bool> Fixture for OnTrait<ARE_DIRECT> {
    const NAME: &'static str = if ARE_DIRECT { "uring-direct" } else { "uring" };
    type Backend = Uring;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.direct_sends = Some(ARE_DIRECT);
        settings
    }

    fn bytes_lent_to_kernel(transport: &TransportOf<Self>) -> Option<usize> {
        Some(transport.bytes_lent())
    }

    fn is_ring_memory(transport: &TransportOf<Self>, bytes: &[u8]) -> Option<bool> {
        Some(transport.is_ring_memory(bytes))
    }
}

fn main() -> ExitCode {
    Suite::new().fixture::<OnTrait<false>>().fixture::<OnTrait<true>>().main()
}
