//! Connections and their halves, erased.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use crate::chunk::Chunk;
use crate::closer::Closer;
use crate::erased::Boxed;
use crate::transport::{Connection, PollRead, PollWrite};

/// A connection of any transport, itself a [`Connection`]: one box around the transport's own.
pub type AnyConnection = Boxed<dyn DynConnection>;

/// The reading half of an [`AnyConnection`]. Dropping it closes this direction.
pub type AnyReadHalf = Boxed<dyn PollRead + Send>;

/// The writing half of an [`AnyConnection`]. Dropping it closes this direction.
pub type AnyWriteHalf = Boxed<dyn PollWrite + Send>;

/// [`Connection`] as a trait object. Every connection implements it; nobody else need.
///
/// What `Connection` provides through the descriptor (credentials, addresses, buffer sizes) is
/// not here: [`AnyConnection`] has it through the same descriptor.
pub trait DynConnection: PollRead + PollWrite + AsFd + Send {
    /// [`Connection::split`].
    fn split_any(self: Box<Self>) -> (AnyReadHalf, AnyWriteHalf);

    /// [`Connection::closer`].
    fn closer_any(&self) -> Closer;

    /// [`Connection::poll_release`].
    ///
    /// # Errors
    /// As there.
    fn poll_release_any(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>>;
}

impl<C: Connection> DynConnection for C {
    fn split_any(self: Box<Self>) -> (AnyReadHalf, AnyWriteHalf) {
        let (read, write) = self.split();
        (Boxed { inner: Box::new(read) }, Boxed { inner: Box::new(write) })
    }

    fn closer_any(&self) -> Closer {
        self.closer()
    }

    fn poll_release_any(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        self.poll_release(cx)
    }
}

impl AnyConnection {
    /// Erases the type of `connection`.
    #[must_use]
    pub fn new(connection: impl Connection) -> AnyConnection {
        Boxed { inner: Box::new(connection) }
    }
}

impl Connection for AnyConnection {
    type ReadHalf = AnyReadHalf;
    type WriteHalf = AnyWriteHalf;

    fn split(self) -> (AnyReadHalf, AnyWriteHalf) {
        self.inner.split_any()
    }

    fn closer(&self) -> Closer {
        self.inner.closer_any()
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        self.inner.poll_release_any(cx)
    }
}
