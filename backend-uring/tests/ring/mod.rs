//! What these tests share.

use std::io::Write as _;

use backend_uring::Uring;
use transport_core::Backend as _;

/// Whether the ring works here; if not, that is said, and in strict mode it fails.
pub(crate) fn is_available() -> bool {
    let availability = Uring::probe();
    if !availability.is_yes() {
        let strict = std::env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
        assert!(!strict, "skipped in strict mode: {availability}");
        let line = format!("SKIP {availability}\n");
        _ = std::io::stderr().write_all(line.as_bytes()); // nobody is left to tell
    }
    availability.is_yes()
}
