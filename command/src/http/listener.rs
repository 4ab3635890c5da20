//! A listener that counts its connections, and says when there is no room for more.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use unix_transport::{Address, Closer, Listener, PeerAddress, is_transient};

use super::ledger::Ledger;
use crate::failure::warn;

/// A listener whose accepts are in a ledger.
pub(super) struct Counted<L> {
    listener: L,
    ledger: Arc<Ledger>,
    has_warned: bool,
}

impl<L> Counted<L> {
    pub(super) fn new(listener: L, ledger: Arc<Ledger>) -> Counted<L> {
        Counted { listener, ledger, has_warned: false }
    }
}

impl<L: Listener> Counted<L> {
    fn warn_once(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.has_warned, true) {
            let at = self.listener.local_address();
            warn(format_args!("accept on {at}: {error}; clients wait until there is room"));
        }
    }
}

impl<L: Listener> Listener for Counted<L> {
    type Connection = L::Connection;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(L::Connection, PeerAddress)>> {
        let accepted = self.listener.poll_accept(cx);
        match &accepted {
            Poll::Ready(Ok(_)) => self.ledger.accepted(),
            Poll::Ready(Err(error)) if is_transient(error) => self.warn_once(error),
            _ => {}
        }
        accepted
    }

    fn poll_acceptable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.listener.poll_acceptable(cx)
    }

    fn set_accept_deadline(&mut self, deadline: Option<Instant>) {
        self.listener.set_accept_deadline(deadline);
    }

    fn local_address(&self) -> &Address {
        self.listener.local_address()
    }

    fn closer(&self) -> Closer {
        self.listener.closer()
    }
}
