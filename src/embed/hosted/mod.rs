//! Our sockets on somebody else's readiness: `Readiness<R>` over a reactor that exists.
//!
//! The host's reactor waits, with the epoll that it has anyway; listeners and connections are
//! core's [`Readiness`](crate::Readiness), with all semantics.

#[cfg(feature = "async-io")]
pub mod async_io;
mod source;
#[cfg(feature = "tokio")]
pub mod tokio;
