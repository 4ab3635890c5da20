//! The synchronous face as a transport and a listener that never answer `Pending`.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use backend_blocking::sync;
use transport_core::{
    Address, AdoptOptions, Cause, Closer, ConnectOptions, Error, ListenOptions, Listener,
    PeerAddress, Result, Transport,
};

use crate::connection::SyncConnection;

/// The functions of the synchronous face.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Synchronous;

impl Transport for Synchronous {
    type Listener = SyncListener;
    type Connection = SyncConnection;

    fn listen(&self, at: &Address, options: &ListenOptions) -> Result<SyncListener> {
        sync::listen(at, options).map(SyncListener::new)
    }

    fn share_listener(&self, of: &SyncListener) -> Result<SyncListener> {
        if of.inner.closer().is_closed() {
            let cause = Cause::DriverGone;
            return Err(Error::new("share the listener on", Some(of.local_address()), cause));
        }
        Ok(SyncListener::new(of.inner.share()))
    }

    async fn connect(&self, to: &Address, options: &ConnectOptions) -> Result<SyncConnection> {
        sync::connect(to, options).map(SyncConnection::new)
    }

    fn adopt_listener(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<SyncListener> {
        sync::adopt_listener(fd, options).map(SyncListener::new)
    }

    fn adopt_connection(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<SyncConnection> {
        sync::adopt_connection(fd, options).map(SyncConnection::new)
    }

    fn pair(&self, options: &AdoptOptions) -> Result<(SyncConnection, SyncConnection)> {
        let (one, other) = sync::pair(options)?;
        Ok((SyncConnection::new(one), SyncConnection::new(other)))
    }
}

/// A listener whose accept blocks the thread.
#[derive(Debug)]
pub(crate) struct SyncListener {
    inner: sync::Listener,
    deadline: Option<Instant>,
}

impl SyncListener {
    fn new(inner: sync::Listener) -> SyncListener {
        SyncListener { inner, deadline: None }
    }
}

impl Listener for SyncListener {
    type Connection = SyncConnection;

    fn poll_accept(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<(SyncConnection, PeerAddress)>> {
        let accepted = match self.deadline {
            Some(deadline) => self.inner.accept_until(deadline),
            None => self.inner.accept(),
        };
        Poll::Ready(accepted.map(|(connection, from)| (SyncConnection::new(connection), from)))
    }

    fn poll_acceptable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.set_accept_timeout(self.deadline.map(until));
        Poll::Ready(self.inner.acceptable())
    }

    fn set_accept_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    fn local_address(&self) -> &Address {
        self.inner.local_address()
    }

    fn closer(&self) -> Closer {
        self.inner.closer()
    }
}

/// How long it is until then: the synchronous face has timeouts, the traits have deadlines. Zero
/// is no timeout there, so a deadline that has passed is the shortest one.
pub(crate) fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_micros(1))
}
