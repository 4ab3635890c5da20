//! The transport: core's over readiness, with connections that also have the owned path.

use std::os::fd::OwnedFd;

use transport_core::{
    Address, AdoptOptions, BytePath, ConnectOptions, ListenOptions, Readiness, Result, Transport,
};

use crate::connection::{UringConnection, connection};
use crate::listener::UringListener;
use crate::reactor::RingReactor;

/// Makes listeners and connections on a ring.
#[derive(Clone, Debug)]
pub struct UringTransport {
    ready: Readiness<RingReactor>,
}

impl UringTransport {
    pub(crate) fn new(reactor: RingReactor) -> UringTransport {
        UringTransport { ready: Readiness::new(reactor) }
    }

    /// The ring as a reactor: what else a program waits for can wait on the same ring.
    #[must_use]
    pub fn reactor(&self) -> &RingReactor {
        self.ready.reactor()
    }

    /// Whether `bytes` lie in the ring's own receive buffers: a chunk that was not copied.
    #[must_use]
    pub fn is_ring_memory(&self, bytes: &[u8]) -> bool {
        self.ready.reactor().ring.buffers.contains(bytes)
    }

    /// How many bytes of memory the kernel may still read or write by operations in flight: those
    /// being sent, and, while the driver lives, its receive buffers.
    #[must_use]
    pub fn bytes_lent(&self) -> usize {
        let ring = &self.ready.reactor().ring;
        let state = ring.lock();
        let buffers = if state.slots.is_ended() { 0 } else { ring.buffers.lent() };
        state.slots.bytes_in_flight() + buffers
    }
}

impl Transport for UringTransport {
    type Listener = UringListener;
    type Connection = UringConnection;

    fn listen(&self, at: &Address, options: &ListenOptions) -> Result<UringListener> {
        self.ready.listen(at, options).map(UringListener::new)
    }

    fn share_listener(&self, of: &UringListener) -> Result<UringListener> {
        self.ready.share_listener(of.ready()).map(UringListener::new)
    }

    async fn connect(&self, to: &Address, options: &ConnectOptions) -> Result<UringConnection> {
        self.ready.connect(to, options).await.map(connection)
    }

    fn adopt_listener(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<UringListener> {
        self.ready.adopt_listener(fd, options).map(UringListener::new)
    }

    fn adopt_connection(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<UringConnection> {
        self.ready.adopt_connection(fd, options).map(connection)
    }

    /// The owned one where it saves system calls, and they are dear enough for that to pay (ADR 0023).
    fn cheaper_path(&self) -> BytePath {
        match self.ready.reactor().ring.sends_directly {
            true => BytePath::Borrowed,
            false => BytePath::Owned,
        }
    }

    fn pair(&self, options: &AdoptOptions) -> Result<(UringConnection, UringConnection)> {
        let (one, other) = self.ready.pair(options)?;
        Ok((connection(one), connection(other)))
    }
}
