//! From one face to the other: the same sockets, without copying and without a gap.

use std::io;
use std::sync::Arc;

use transport_core::readiness::ReadyListener;
use transport_core::{
    AdoptOptions, Chunk, Error, Reactor, Readiness, Result, Transport, transport,
};

use crate::sync::adopt_connection;
use crate::sync::close_event::CloseEvent;
use crate::sync::connection::Connection;
use crate::sync::listener::Listener;

impl Connection {
    /// The same connection on `transport`, which may be any backend's; and the bytes, usually
    /// none, that were received and not read, which come before what it will read.
    ///
    /// # Errors
    /// As [`into_fd`](Self::into_fd) and [`Transport::adopt_connection`].
    pub fn onto<T: Transport>(
        self,
        transport: &T,
        options: &AdoptOptions,
    ) -> Result<(T::Connection, Chunk)> {
        let (fd, received) =
            self.into_fd().map_err(|e| Error::new("convert a connection", None, e))?;
        Ok((transport.adopt_connection(fd, options)?, received))
    }

    /// The same connection, from any backend, for blocking calls; waits until what its `send` took
    /// is sent. What was received already is read first.
    ///
    /// # Errors
    /// As [`poll_release`](transport::Connection::poll_release) and [`adopt_connection`].
    pub async fn of(
        connection: impl transport::Connection,
        options: &AdoptOptions,
    ) -> io::Result<Connection> {
        let (fd, received) = connection.release().await?;
        let connection = adopt_connection(fd, options)?;
        connection.hold(received);
        Ok(connection)
    }
}

impl Listener {
    /// Another handle of the same listener, driven by `transport`'s driver.
    ///
    /// # Errors
    /// As [`Transport::share_listener`].
    pub fn onto<R: Reactor>(&self, transport: &Readiness<R>) -> Result<ReadyListener<R>> {
        transport.share_state(self.state())
    }

    /// Another handle of the same listener, for blocking calls.
    ///
    /// # Errors
    /// EMFILE, for the eventfd that closing wakes through.
    pub fn of<R: Reactor>(listener: &ReadyListener<R>) -> Result<Listener> {
        let state = listener.state();
        let event = CloseEvent::new()
            .map_err(|e| Error::new("share the listener on", Some(state.address()), e))?;
        Ok(Listener::new(Arc::clone(state), event))
    }
}
