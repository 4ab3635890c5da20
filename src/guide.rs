//! The guide: how to do things here, in chapters whose examples are compiled and run with the tests.
//!
//! | chapter | for |
//! |---|---|
//! | [`quick_start`] | an echo server, the two byte paths, the synchronous face |
//! | [`choosing`] | which backend, by type, by name or at run time |
//! | [`addresses`] | paths, abstract names, modes, what becomes of the file, who the peer is |
//! | [`closing`] | half-close, draining, dropping, deadlines, the end of a runtime |
//! | [`errors`] | what can go wrong, and what an accept loop has to tell apart |
//! | `embedding` | your own loop, tokio, glib, calloop, smol (feature `tokio`) |
//! | `web` | axum, hyper, tower, tonic (feature `axum`) |
//! | [`benchmarks`] | comparing, and reading what others compared |
//! | [`backend`] | a fourth backend, and the suite that checks it |
//! | [`from_racket`] | `racket/unix-socket`, procedure by procedure |

#[doc = include_str!("../docs/guide/quick-start.md")]
pub mod quick_start {}

#[doc = include_str!("../docs/guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("../docs/guide/addresses.md")]
pub mod addresses {}

#[doc = include_str!("../docs/guide/closing.md")]
pub mod closing {}

#[doc = include_str!("../docs/guide/errors.md")]
pub mod errors {}

#[cfg(feature = "tokio")]
#[doc = include_str!("../docs/embedding.md")]
pub mod embedding {}

#[cfg(feature = "axum")]
#[doc = include_str!("../docs/guide/web.md")]
pub mod web {}

#[doc = include_str!("../docs/guide/benchmarks.md")]
pub mod benchmarks {}

#[doc = include_str!("../docs/guide/backend.md")]
pub mod backend {}

#[doc = include_str!("../docs/from-racket.md")]
pub mod from_racket {}
