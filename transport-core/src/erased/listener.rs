//! Listeners, erased.

use std::any::Any;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::address::{Address, PeerAddress};
use crate::closer::Closer;
use crate::erased::{AnyConnection, Boxed};
use crate::transport::Listener;

/// A listener of any transport, itself a [`Listener`] that accepts [`AnyConnection`]s.
pub type AnyListener = Boxed<dyn DynListener>;

/// [`Listener`] as a trait object. Every listener implements it; nobody else need.
pub trait DynListener: Send {
    /// [`Listener::poll_accept`]; the connection moves into one box.
    ///
    /// # Errors
    /// As there.
    fn poll_accept_any(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AnyConnection, PeerAddress)>>;

    /// [`Listener::poll_acceptable`].
    ///
    /// # Errors
    /// As there.
    fn poll_acceptable_any(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// [`Listener::set_accept_deadline`].
    fn set_accept_deadline_any(&mut self, deadline: Option<Instant>);

    /// [`Listener::local_address`].
    fn local_address_any(&self) -> &Address;

    /// [`Listener::closer`].
    fn closer_any(&self) -> Closer;

    /// The listener itself, for the transport that it belongs to.
    fn as_any(&self) -> &dyn Any;
}

impl<L: Listener> DynListener for L {
    fn poll_accept_any(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AnyConnection, PeerAddress)>> {
        self.poll_accept(cx).map_ok(|(connection, peer)| (AnyConnection::new(connection), peer))
    }

    fn poll_acceptable_any(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_acceptable(cx)
    }

    fn set_accept_deadline_any(&mut self, deadline: Option<Instant>) {
        self.set_accept_deadline(deadline);
    }

    fn local_address_any(&self) -> &Address {
        self.local_address()
    }

    fn closer_any(&self) -> Closer {
        self.closer()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl AnyListener {
    /// Erases the type of `listener`.
    #[must_use]
    pub fn new(listener: impl Listener) -> AnyListener {
        Boxed { inner: Box::new(listener) }
    }
}

impl Listener for AnyListener {
    type Connection = AnyConnection;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AnyConnection, PeerAddress)>> {
        self.inner.poll_accept_any(cx)
    }

    fn poll_acceptable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_acceptable_any(cx)
    }

    fn set_accept_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_accept_deadline_any(deadline);
    }

    fn local_address(&self) -> &Address {
        self.inner.local_address_any()
    }

    fn closer(&self) -> Closer {
        self.inner.closer_any()
    }
}
