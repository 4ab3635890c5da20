//! Our connections as those of other libraries.
//!
//! [`Io`] wraps a connection, or a half of one, and implements the traits of whichever libraries
//! are enabled as features. It adds nothing else: no buffer, no task.
//!
//! | feature | [`Io`] is | and there is |
//! |---|---|---|
//! | `tokio` | `tokio::io::AsyncRead`, `AsyncWrite` | |
//! | `hyper` | `hyper::rt::Read`, `Write` | `HyperHandle`, our runtime as hyper's executor and timer |
//! | `futures` | `futures_io::AsyncRead`, `AsyncWrite` | `Incoming`, a stream of connections |
//! | `tower` | what hyper-util's client pools | `Connector`, a `Service<Uri>` for clients |
//! | `tonic` | what `serve_with_incoming` serves | [`Peer`] in every request |
//! | `axum` | what `AxumListener` accepts | `serve_router`, for routers without tokio |
//!
//! These are traits of libraries and not of their runtimes: connections work wherever a task is
//! polled, as long as somebody turns the driver: [`Runtime`](crate::Runtime), or one of the ways
//! to [embed](crate::embed) it.
//!
#![cfg_attr(all(feature = "epoll", feature = "tokio"), doc = "```")]
#![cfg_attr(not(all(feature = "epoll", feature = "tokio")), doc = "```ignore")]
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use unix_transport::{Epoll, Io, Runtime, Transport};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut runtime = Runtime::<Epoll>::new(&Default::default())?;
//! let (one, other) = runtime.transport().pair(&Default::default())?;
//! let (mut one, mut other) = (Io::new(one), Io::new(other));
//! runtime.block_on(async {
//!     one.write_all(b"hello").await?;
//!     one.shutdown().await?;
//!     let mut text = String::new();
//!     other.read_to_string(&mut text).await?;
//!     assert_eq!(text, "hello");
//!     Ok(())
//! })
//! # }
//! ```

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "futures")]
pub mod incoming;
mod peer;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "tower")]
pub mod tower;

pub use peer::Peer;

use std::os::fd::{AsFd, BorrowedFd};

/// A connection, or a half, with the I/O traits of other libraries.
///
/// All of them mean the same: reads and writes are borrowed, so a dropped future loses no byte; a
/// shutdown (or close) ends the writing direction and leaves reading open; vectored writes are one
/// system call. Dropping it drops what it wraps.
#[derive(Debug)]
pub struct Io<T> {
    inner: T,
}

impl<T> Io<T> {
    /// Wraps `inner`.
    #[must_use]
    pub const fn new(inner: T) -> Io<T> {
        Io { inner }
    }

    /// What is wrapped.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.inner
    }

    /// What is wrapped: to set a deadline, for example.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Unwraps it. Nothing is buffered here, so nothing is lost.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> From<T> for Io<T> {
    fn from(inner: T) -> Io<T> {
        Io::new(inner)
    }
}

impl<T: AsFd> AsFd for Io<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
