//! Routers of axum as foreign clients meet them: curl, Python, Racket, and requests written by
//! hand, to `axum::serve` inside tokio and to `serve_router` without it, on each backend.
//!
//! What is not installed is a printed skip; with `CONFORMANCE_STRICT=1` it is a failure.

mod app;
mod clients;
mod exhaustion;
mod http;
mod server;
mod stopping;
mod who;

use server::Host;

/// Every case on one server, each as a test of its own.
macro_rules! cases {
    ($($server:ident: $host:expr, $backend:literal $(, and $module:ident::$case:ident)?;)*) => {
        $(mod $server {
            use super::*;

            cases! { @each $host, $backend;
                clients::curl, clients::curl_with_http_2, clients::python, clients::racket,
                clients::download,
                http::keep_alive, http::pipelining, http::a_slow_handler_stalls_nobody,
                http::aborted_clients_leave_nothing, http::a_panic_ends_its_connection_alone,
                who::the_peer_is_this_process,
                stopping::requests_at_hand_are_finished, $($module::$case,)?
            }

            #[test]
            fn exhaustion() {
                let test = concat!(stringify!($server), "::exhaustion");
                exhaustion::in_child(test, $host, $backend);
            }
        })*
    };
    (@each $host:expr, $backend:literal; $($module:ident::$case:ident,)*) => {
        $(#[test]
        fn $case() {
            $host.serve($backend, $module::$case);
        })*
    };
}

cases! {
    tokio_blocking: Host::Tokio, "blocking";
    tokio_epoll: Host::Tokio, "epoll";
    tokio_uring: Host::Tokio, "uring";
    runtime_blocking: Host::Runtime, "blocking", and stopping::queued_requests_are_answered;
    runtime_epoll: Host::Runtime, "epoll", and stopping::queued_requests_are_answered;
    runtime_uring: Host::Runtime, "uring", and stopping::queued_requests_are_answered;
}

/// Says that something is not tested here, past the harness, which shows only what fails. In
/// strict mode nothing may be skipped.
fn skip(why: impl std::fmt::Display) {
    use std::io::Write as _;
    let strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
    assert!(!strict, "skipped in strict mode: {why}");
    _ = writeln!(std::io::stderr(), "SKIP {why}"); // nobody is left to tell
}
