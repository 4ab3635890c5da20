//! What listens.

use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::address::{Address, PeerAddress};
use crate::closer::Closer;
use crate::futures::{Accept, Acceptable};
use crate::transport::Connection;

/// A listening socket. Dropping the last handle closes it: the file goes if that was asked for,
/// waiting clients are reset.
pub trait Listener: Send + Unpin + 'static {
    /// What accepting gives.
    type Connection: Connection;

    /// Takes the next connection, in the kernel's order (rule L1).
    ///
    /// # Errors
    /// [Closed](crate::is_closed) after [`Closer::close`], or when a drain is done: the end of an
    /// accept loop. [Transient](crate::is_transient) when descriptors or memory ran out: nothing
    /// is lost, and the next call first waits a little, so that a plain loop costs no CPU (L6).
    /// `TimedOut` when the accept deadline passed.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Connection, PeerAddress)>>;

    /// Waits until accepting would answer, and takes nothing: ready when a connection waits or
    /// the listener is closed, and ready again when asked again (rule L2). Another process or
    /// handle may still take the connection first.
    ///
    /// # Errors
    /// `TimedOut` when the accept deadline passed. A closed listener is ready, not an error.
    fn poll_acceptable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// When a waiting accept gives up with `TimedOut`; `None`, the default, is never. It stays
    /// until it is changed, so once passed every accept that would wait fails at once.
    fn set_accept_deadline(&mut self, deadline: Option<Instant>);

    /// The address that was asked for (rule A7); [`Address::Unnamed`] if adopted from a
    /// descriptor whose name is not a legal address.
    fn local_address(&self) -> &Address;

    /// What closes or drains this listener, all its handles, from any thread.
    fn closer(&self) -> Closer;

    /// [`poll_accept`](Self::poll_accept) as a future.
    fn accept(&mut self) -> Accept<'_, Self>
    where
        Self: Sized,
    {
        Accept { listener: self }
    }

    /// [`poll_acceptable`](Self::poll_acceptable) as a future.
    fn acceptable(&mut self) -> Acceptable<'_, Self>
    where
        Self: Sized,
    {
        Acceptable { listener: self }
    }
}
