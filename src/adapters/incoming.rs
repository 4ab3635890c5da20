//! The connections of a listener as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use transport_core::{Listener, is_closed, is_transient};

use crate::adapters::Io;

/// A listener's connections, in the kernel's order, until the listener is closed or drained: that
/// is the end of the stream, not an error.
///
/// Of the errors of [`Listener::poll_accept`] the transient ones (no descriptors left) are yielded
/// and the stream goes on: it waits a little before it tries again, so that a server which ignores
/// errors does not spin. Any other is the last thing that is yielded. Dropping the stream drops
/// the listener.
///
/// ```
/// use futures_util::TryStreamExt;
/// use unix_transport::adapters::incoming::Incoming;
/// use unix_transport::{Connection, Listener};
///
/// /// Who came, until the listener is closed.
/// async fn visitors(listener: impl Listener) -> std::io::Result<Vec<u32>> {
///     let users = Incoming::new(listener)
///         .and_then(async |io| Ok(io.get_ref().peer_credentials()?.uid));
///     users.try_collect().await
/// }
/// ```
#[derive(Debug)]
pub struct Incoming<L> {
    listener: L,
    is_over: bool,
}

impl<L: Listener> Incoming<L> {
    /// The connections of `listener`.
    #[must_use]
    pub fn new(listener: L) -> Incoming<L> {
        Incoming { listener, is_over: false }
    }

    /// The listener: for its address, or a closer.
    #[must_use]
    pub fn get_ref(&self) -> &L {
        &self.listener
    }

    /// The listener back. No connection is lost: what was not yielded was not accepted.
    #[must_use]
    pub fn into_inner(self) -> L {
        self.listener
    }
}

impl<L: Listener> Stream for Incoming<L> {
    type Item = io::Result<Io<L::Connection>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match ready!(self.listener.poll_accept(cx)) {
            Ok((connection, _)) => Poll::Ready(Some(Ok(Io::new(connection)))),
            Err(e) => {
                self.is_over = !is_transient(&e);
                Poll::Ready(if is_closed(&e) { None } else { Some(Err(e)) })
            }
        }
    }
}

impl<L: Listener> FusedStream for Incoming<L> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}
