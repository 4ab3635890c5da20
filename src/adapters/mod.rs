//! Our connections as those of other libraries.
//!
//! [`Io`] wraps a connection, or a half of one, and implements the reading and writing traits of
//! whichever libraries are enabled as features. It adds nothing else: no buffer, no task.
//!
//! | feature | traits of [`Io`] | and |
//! |---|---|---|
//! | `tokio` | `tokio::io::AsyncRead`, `AsyncWrite` | |
//! | `hyper` | `hyper::rt::Read`, `Write` | |
//! | `futures` | `futures_io::AsyncRead`, `AsyncWrite` | [`Incoming`](incoming::Incoming), a stream of connections |

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "futures")]
pub mod incoming;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "tower")]
pub mod tower;

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
