//! A router served on our own runtime.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::server::conn::auto::Builder;
use tokio::sync::watch;
use tower_service::Service as _;
use transport_core::runtime::Handle;
use transport_core::{Connection, Listener, is_closed, is_transient};

use crate::adapters::hyper::HyperHandle;
use crate::adapters::{Io, Peer};

/// Serves `router` to the clients of `listener`, each in a task of `handle`'s runtime, until the
/// listener is closed or drained: HTTP/1 and HTTP/2, without tokio.
///
/// That needs handlers and middleware that need no tokio runtime. What starts tokio's tasks and
/// timers, or opens its files and sockets, panics outside one: server-sent events with keep-alive,
/// for example.
///
/// ```no_run
/// use axum::Router;
/// use axum::routing::get;
/// use unix_transport::adapters::axum::serve_router;
/// use unix_transport::{Auto, Runtime, Transport};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let router = Router::new().route("/", get(async || "hello"));
/// let mut runtime = Runtime::<Auto>::new(&Default::default())?;
/// let listener = runtime.transport().listen(&"/run/app.sock".parse()?, &Default::default())?;
/// runtime.block_on(serve_router(runtime.handle(), listener, router))?;
/// # Ok(()) }
/// ```
///
/// Handlers find the client's [`Peer`] in `ConnectInfo<Peer>`. A handler that panics ends its
/// connection, and nothing else. When descriptors run out, accepting waits until there are some,
/// which costs no CPU time and loses no client.
///
/// Once the listener is closed or drained, idle connections are closed, and requests that have
/// begun are answered to the end; that includes what a client has sent while it waited in the
/// queue of a drained listener. It takes as long as the handlers and the clients take: give it a
/// limit with [`Handle::timeout`]. Dropping the future closes the listener and ends the
/// connections in the same way, which nobody then waits for. The only limits on clients are those
/// of hyper's defaults; there is none on time.
///
/// # Errors
/// Those of [`Listener::poll_accept`] but the transient ones and the closed one, after the
/// requests at hand.
pub async fn serve_router(
    handle: Handle,
    mut listener: impl Listener,
    router: Router,
) -> io::Result<()> {
    let executor = Isolating { handle: HyperHandle::new(handle) };
    let end = watch::Sender::new(());
    let ended = loop {
        match listener.accept().await {
            Ok((connection, address)) => {
                let credentials = connection.peer_credentials().ok();
                let info = ConnectInfo(Peer { address, credentials });
                let (router, told) = (router.clone(), end.subscribe());
                executor.execute(serve(connection, info, router, executor.clone(), told));
            }
            // The next accept waits a little by itself.
            Err(error) if is_transient(&error) => {}
            Err(error) if is_closed(&error) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(listener);
    end.send_replace(());
    end.closed().await;
    ended
}

/// Serves one connection, and ends it gracefully once it is `told` to, or when nobody can tell.
async fn serve(
    connection: impl Connection,
    info: ConnectInfo<Peer>,
    router: Router,
    executor: Isolating,
    mut told: watch::Receiver<()>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(info.clone());
        // A router is always ready.
        router.clone().call(request)
    });
    let mut builder = Builder::new(executor);
    // As in axum's own server: what WebSockets over HTTP/2 need.
    builder.http2().enable_connect_protocol();
    let mut served = pin!(builder.serve_connection_with_upgrades(Io::new(connection), service));
    let mut told = pin!(told.changed());
    let mut is_ending = false;
    poll_fn(|cx| {
        // First the connection: what the client has sent by now is a request at hand.
        while served.as_mut().poll(cx).is_pending() {
            if is_ending || told.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            is_ending = true;
            served.as_mut().graceful_shutdown();
        }
        // If the client broke the connection, that is its own affair.
        Poll::Ready(())
    })
    .await;
}

/// Executes on a runtime what may panic, so that it is the only thing to end.
#[derive(Clone)]
struct Isolating {
    handle: HyperHandle,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Isolating {
    fn execute(&self, future: F) {
        self.handle.execute(async {
            let mut future = pin!(future);
            // After a panic it is dropped, and never polled again.
            poll_fn(|cx| {
                let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
                polled.unwrap_or(Poll::Ready(()))
            })
            .await;
        });
    }
}
