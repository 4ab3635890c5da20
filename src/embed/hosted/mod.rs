//! Our sockets on somebody else's readiness: `Readiness<R>` over a reactor that exists.

#[cfg(feature = "async-io")]
pub mod async_io;
#[cfg(feature = "tokio")]
pub mod tokio;
