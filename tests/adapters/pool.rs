//! The connector: hyper-util's pooled client, on our runtime and on tokio.

use std::future::Future;
use std::pin::Pin;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use unix_transport::adapters::Peer;
use unix_transport::adapters::hyper::HyperHandle;
use unix_transport::adapters::tower::Connector;
use unix_transport::{Backend, ConnectOptions, Io, ListenOptions, Listener, Transport};

use crate::support::{address, chain, on_runtime, on_tokio};

on_each_backend!(requests_share_a_connection, a_server_that_is_gone_is_named);

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What hyper-util's client asks of an executor.
trait Jobs: Executor<Job> + Clone + Send + Sync + 'static {}
impl<E: Executor<Job> + Clone + Send + Sync + 'static> Jobs for E {}

fn on_both<B: Backend>(
    on_ours: impl AsyncFnOnce(B::Transport, HyperHandle),
    on_tokios: impl AsyncFnOnce(B::Transport, TokioExecutor),
) {
    on_runtime::<B>(async |transport, handle| on_ours(transport, HyperHandle::new(handle)).await);
    on_tokio::<B>(async |transport| on_tokios(transport, TokioExecutor::new()).await);
}

/// Answers with the request's path, and counts the connections.
async fn serve(mut listener: impl Listener, jobs: impl Jobs, accepted: Arc<AtomicUsize>) {
    while let Ok((connection, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        let answer = async |request: Request<Incoming>| {
            let path = request.uri().path().to_owned();
            Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(path))))
        };
        jobs.execute(Box::pin(async move {
            let served =
                http1::Builder::new().serve_connection(Io::new(connection), service_fn(answer));
            served.await.expect("the client ends it");
        }));
    }
}

fn requests_share_a_connection<B: Backend>() {
    async fn case(transport: impl Transport, jobs: impl Jobs) -> usize {
        let (at, _directory) = address();
        let listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
        let accepted = Arc::new(AtomicUsize::new(0));
        jobs.execute(Box::pin(serve(listener, jobs.clone(), Arc::clone(&accepted))));
        let connector = Connector::new(transport, at, ConnectOptions::new());
        let client = Client::builder(jobs).build::<_, Full<Bytes>>(connector);
        for number in 0..100 {
            let uri = format!("http://any.host/{number}").parse().expect("legal");
            let response = client.get(uri).await.expect("it is served");
            let peer = response.extensions().get::<Peer>().expect("who serves");
            assert_eq!(peer.credentials.and_then(|it| it.pid), Some(process::id()));
            let body = response.into_body().collect().await.expect("a whole body").to_bytes();
            assert_eq!(body, format!("/{number}"));
        }
        accepted.load(Ordering::Relaxed)
    }
    on_both::<B>(
        async |transport, jobs| assert_eq!(case(transport, jobs).await, 1),
        // With several threads a request may come before the connection is back in the pool.
        async |transport, jobs| assert!(case(transport, jobs).await < 50),
    );
}

fn a_server_that_is_gone_is_named<B: Backend>() {
    async fn case(transport: impl Transport, jobs: impl Jobs) {
        let (at, _directory) = address();
        let connector = Connector::new(transport, at.clone(), ConnectOptions::new());
        assert_eq!(connector.address(), &at);
        let client = Client::builder(jobs).build::<_, Full<Bytes>>(connector);
        let error = client.get("http://any.host/".parse().expect("legal")).await;
        let error = error.expect_err("nothing is there");
        assert!(error.is_connect(), "{error:?}");
        let text = chain(&error);
        assert!(text.contains(&format!("connect to {at}: No such file")), "{text}");
    }
    on_both::<B>(
        async |transport, jobs| case(transport, jobs).await,
        async |transport, jobs| case(transport, jobs).await,
    );
}
