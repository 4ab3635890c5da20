//! A listener as `axum::serve` wants it.

use std::future::pending;
use std::io;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener as Accepts};
use tokio::sync::oneshot;
use transport_core::{Address, Connection, Listener, PeerAddress, is_closed, is_transient};

use crate::adapters::{Io, Peer};

/// Any [`Listener`] as that of `axum::serve`. Somebody must move its driver meanwhile:
/// [`crate::embed`] says how.
///
/// Its `accept` has no errors. When descriptors run out it waits until there are some, which costs
/// no CPU time and loses no client. When the listener is closed, drained or broken, it waits for
/// ever, because only a graceful shutdown ends `axum::serve`: [`ended`](Self::ended) is made to be
/// its signal. Dropping this drops the listener.
#[derive(Debug)]
pub struct AxumListener<L> {
    listener: L,
    at_the_end: Option<oneshot::Sender<io::Result<()>>>,
}

impl<L: Listener> AxumListener<L> {
    /// Wraps `listener`.
    #[must_use]
    pub fn new(listener: L) -> AxumListener<L> {
        AxumListener { listener, at_the_end: None }
    }

    /// The listener: for its address, or a closer.
    #[must_use]
    pub fn get_ref(&self) -> &L {
        &self.listener
    }

    /// A future that is ready when nothing more will be accepted: with `Ok` after the listener was
    /// closed or drained, or this was dropped, with the error of [`Listener::poll_accept`] if that
    /// failed for good. A second call replaces the future of the first, which then is ready.
    ///
    /// So whoever has the listener's [`Closer`](crate::Closer) ends the server, which finishes the
    /// requests at hand:
    ///
    /// ```no_run
    /// # use unix_transport::Listener;
    /// # use unix_transport::adapters::axum::AxumListener;
    /// # async fn example(listener: impl Listener, router: axum::Router) -> std::io::Result<()> {
    /// let mut listener = AxumListener::new(listener);
    /// let closer = listener.get_ref().closer(); // `closer.drain()`, anywhere, ends it
    /// let ended = listener.ended();
    /// let signal = async { ended.await.unwrap_or_else(|error| eprintln!("accept: {error}")) };
    /// axum::serve(listener, router).with_graceful_shutdown(signal).await
    /// # }
    /// ```
    ///
    /// axum may then drop a client that was accepted last, before it reads its first request.
    pub fn ended(&mut self) -> impl Future<Output = io::Result<()>> + Send + use<L> {
        let (sender, receiver) = oneshot::channel();
        self.at_the_end = Some(sender);
        async { receiver.await.unwrap_or(Ok(())) }
    }
}

impl<L: Listener> Accepts for AxumListener<L> {
    type Io = Io<L::Connection>;
    type Addr = PeerAddress;

    async fn accept(&mut self) -> (Io<L::Connection>, PeerAddress) {
        loop {
            match self.listener.accept().await {
                Ok((connection, peer)) => return (Io::new(connection), peer),
                // The next accept waits a little by itself.
                Err(error) if is_transient(&error) => {}
                Err(error) => {
                    let told = if is_closed(&error) { Ok(()) } else { Err(error) };
                    if let Some(at_the_end) = self.at_the_end.take() {
                        _ = at_the_end.send(told); // nobody may want to know
                    }
                    return pending().await;
                }
            }
        }
    }
    fn local_addr(&self) -> io::Result<PeerAddress> {
        Ok(match self.listener.local_address() {
            Address::Path(path) => PeerAddress::Path(path.as_bytes().to_vec()),
            Address::Abstract(name) => PeerAddress::Abstract([b"\0", name.as_bytes()].concat()),
            Address::Unnamed => PeerAddress::Unnamed,
        })
    }
}

impl<L: Listener> Connected<IncomingStream<'_, AxumListener<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, AxumListener<L>>) -> Peer {
        Peer {
            address: stream.remote_addr().clone(),
            credentials: stream.io().get_ref().peer_credentials().ok(),
        }
    }
}
