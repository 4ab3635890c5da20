//! Case 141: each backend serves each backend, and all nine pairs see one transcript.

use std::process::ExitCode;

use backend_blocking::Blocking;
use backend_epoll::Epoll;
use backend_uring::Uring;
use conformance::{Fixture, Suite};
use transport_core::Backend;

/// Any backend with its defaults.
struct On<B>(B);

impl<B: Backend> Fixture for On<B> {
    const NAME: &'static str = B::NAME;
    type Backend = B;
}

fn main() -> ExitCode {
    Suite::new()
        .pair::<On<Blocking>, On<Blocking>>()
        .pair::<On<Blocking>, On<Epoll>>()
        .pair::<On<Blocking>, On<Uring>>()
        .pair::<On<Epoll>, On<Blocking>>()
        .pair::<On<Epoll>, On<Epoll>>()
        .pair::<On<Epoll>, On<Uring>>()
        .pair::<On<Uring>, On<Blocking>>()
        .pair::<On<Uring>, On<Epoll>>()
        .pair::<On<Uring>, On<Uring>>()
        .main()
}
