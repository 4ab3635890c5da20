//! What a server did: connections, requests, and bytes of answers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use crate::output::counted;

/// The sums, up to now.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    connections: AtomicU64,
    requests: AtomicU64,
    underway: AtomicU64,
    bytes: AtomicU64,
}

/// The sums at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    connections: u64,
    requests: u64,
    cut_off: u64,
    bytes: u64,
}

impl Ledger {
    pub(super) fn accepted(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// What is underway now is about to be cut off.
    pub(super) fn totals(&self) -> Totals {
        Totals {
            connections: self.connections.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            cut_off: self.underway.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// Counts a request, and what is sent as its answer.
pub(super) async fn count(
    State(ledger): State<Arc<Ledger>>,
    request: Request,
    next: Next,
) -> Response {
    ledger.requests.fetch_add(1, Ordering::Relaxed);
    ledger.underway.fetch_add(1, Ordering::Relaxed);
    let underway = Underway { ledger };
    next.run(request).await.map(|body| Body::new(Counted { body, underway }))
}

/// A request that is not answered yet.
struct Underway {
    ledger: Arc<Ledger>,
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.ledger.underway.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer.
struct Counted {
    body: Body,
    underway: Underway,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let count = frame.data_ref().map_or(0, Bytes::len);
            self.underway.ledger.bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
        polled.map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { connections, requests, cut_off, bytes } = *self;
        let connections = counted(connections, "connection");
        let (requests, bytes) = (counted(requests, "request"), counted(bytes, "byte"));
        write!(f, "served {connections}, {requests}, {bytes}")?;
        match cut_off {
            0 => Ok(()),
            _ => write!(f, "; {} did not end in time", counted(cut_off, "request")),
        }
    }
}
