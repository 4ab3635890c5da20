//! The connections of a listener as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use transport_core::{Listener, PeerAddress, is_closed};

/// A listener's connections, each with its peer's address, until the listener is closed or
/// drained: that is the end of the stream, not an error.
///
/// Errors are those of [`Listener::poll_accept`]. After a transient one (no descriptors left) the
/// stream goes on, and waits a little before it tries again; after another it may repeat it.
/// Dropping the stream drops the listener.
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
    type Item = io::Result<(L::Connection, PeerAddress)>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match ready!(self.listener.poll_accept(cx)) {
            Err(e) if is_closed(&e) => {
                self.is_over = true;
                Poll::Ready(None)
            }
            accepted => Poll::Ready(Some(accepted)),
        }
    }
}

impl<L: Listener> FusedStream for Incoming<L> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}
