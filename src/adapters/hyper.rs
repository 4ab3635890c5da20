//! [`Io`] as hyper's `Read` and `Write`, and our runtime as its executor and timer.
//!
//! A server of HTTP/2 on our runtime; HTTP/1 needs no executor, and a timer only for its timeouts:
//!
#![cfg_attr(feature = "epoll", doc = "```no_run")]
#![cfg_attr(not(feature = "epoll"), doc = "```ignore")]
//! use std::convert::Infallible;
//!
//! use http_body_util::Full;
//! use hyper::body::{Bytes, Incoming};
//! use hyper::server::conn::http2;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use unix_transport::adapters::hyper::HyperHandle;
//! use unix_transport::{Epoll, Io, Listener, Runtime, Transport};
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(Response::new(Full::from("hello")))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut runtime = Runtime::<Epoll>::new(&Default::default())?;
//! let mut listener = runtime.transport().listen(&"/tmp/http".parse()?, &Default::default())?;
//! let http = http2::Builder::new(HyperHandle::new(runtime.handle()));
//! loop {
//!     let (connection, _) = runtime.block_on(listener.accept())?;
//!     runtime.spawn(http.serve_connection(Io::new(connection), service_fn(hello))).detach();
//! }
//! # }
//! ```
#![expect(unsafe_code, reason = "reads into hyper's uninitialised buffers")]

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{self, Executor, Read, ReadBufCursor, Timer, Write};
use transport_core::runtime::Handle;
use transport_core::timers::Sleep;
use transport_core::{PollRead, PollWrite, ReadCursor};

use crate::adapters::Io;

impl<T: PollRead + Unpin> Read for Io<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: the cursor writes nothing that is not initialised.
        let mut into = ReadCursor::uninit(unsafe { buf.as_mut() });
        ready!(self.inner.poll_read(cx, &mut into))?;
        let read = into.filled_len();
        // SAFETY: the cursor filled this many bytes.
        unsafe { buf.advance(read) };
        Poll::Ready(Ok(()))
    }
}

impl<T: PollWrite + Unpin> Write for Io<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_close_write(cx)
    }
}

/// A runtime's [`Handle`] as hyper's `Executor` and `Timer`: for HTTP/2, for timeouts, and for
/// hyper-util's pooled client.
///
/// Keeps nothing alive. Once the runtime is gone what is executed is dropped, as the runtime's own
/// tasks were, and every sleep is over.
#[derive(Clone, Debug)]
pub struct HyperHandle {
    handle: Handle,
}

impl HyperHandle {
    /// Executes and times on the runtime of `handle`.
    #[must_use]
    pub const fn new(handle: Handle) -> HyperHandle {
        HyperHandle { handle }
    }
}

impl<F> Executor<F> for HyperHandle
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        if let Some(task) = self.handle.try_spawn(future) {
            task.detach();
        }
    }
}

impl Timer for HyperHandle {
    fn sleep(&self, time: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(HyperSleep { sleep: self.handle.sleep(time) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

/// What [`HyperHandle`] gives hyper to wait for.
struct HyperSleep {
    sleep: Sleep,
}

impl Future for HyperSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.sleep).poll(cx)
    }
}

impl rt::Sleep for HyperSleep {}
