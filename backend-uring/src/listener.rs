//! The listener: core's over readiness. Nothing leaves the kernel's queue before a caller takes it.

use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use transport_core::readiness::ReadyListener;
use transport_core::{Address, Closer, Listener, PeerAddress};

use crate::connection::{UringConnection, connection};
use crate::reactor::RingReactor;

/// One handle of a listener on a ring.
#[derive(Debug)]
pub struct UringListener {
    ready: ReadyListener<RingReactor>,
}

impl UringListener {
    pub(crate) fn new(ready: ReadyListener<RingReactor>) -> UringListener {
        UringListener { ready }
    }

    pub(crate) fn ready(&self) -> &ReadyListener<RingReactor> {
        &self.ready
    }
}

impl Listener for UringListener {
    type Connection = UringConnection;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(UringConnection, PeerAddress)>> {
        let accepted = self.ready.poll_accept(cx);
        accepted.map_ok(|(accepted, peer)| (connection(accepted), peer))
    }

    fn poll_acceptable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ready.poll_acceptable(cx)
    }

    fn set_accept_deadline(&mut self, deadline: Option<Instant>) {
        self.ready.set_accept_deadline(deadline);
    }

    fn local_address(&self) -> &Address {
        self.ready.local_address()
    }

    fn closer(&self) -> Closer {
        self.ready.closer()
    }
}
