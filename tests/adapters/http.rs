//! hyper's server and client on our runtime, without tokio: HTTP/1 and HTTP/2.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::AsyncReadExt;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1 as client1, http2 as client2};
use hyper::rt::{self, Executor, Timer};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use tokio::sync::Barrier;
use unix_transport::adapters::hyper::HyperHandle;
use unix_transport::{AdoptOptions, Backend, Connection, Io, Runtime, Settings, Transport};

use crate::support::{MUCH, chain, on_both, on_runtime, pair, pattern};

on_each_backend!(
    reads_and_writes,
    a_connection_serves_many_requests,
    streams_are_served_at_once,
    a_slow_header_times_out,
    a_server_that_leaves_is_an_error,
    nothing_is_executed_without_the_runtime,
);

fn reads_and_writes<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        assert!(rt::Write::is_write_vectored(&one));
        let slices = [b"de".as_slice(), b"", b"fgh"].map(IoSlice::new);
        let write = poll_fn(|cx| rt::Write::poll_write_vectored(Pin::new(&mut one), cx, &slices));
        assert_eq!(write.await.expect("connected"), 5);
        let mut memory = [MaybeUninit::uninit(); 6];
        let mut buf = rt::ReadBuf::uninit(&mut memory);
        buf.unfilled().put_slice(b"abc");
        let read = poll_fn(|cx| rt::Read::poll_read(Pin::new(&mut other), cx, buf.unfilled()));
        read.await.expect("connected");
        assert_eq!(buf.filled(), b"abcdef");

        let shutdown = poll_fn(|cx| rt::Write::poll_shutdown(Pin::new(&mut one), cx));
        shutdown.await.expect("connected");
        let mut rest = String::new();
        other.read_to_string(&mut rest).await.expect("it ends");
        assert_eq!(rest, "gh");
        let write = poll_fn(|cx| rt::Write::poll_write(Pin::new(&mut other), cx, b"answer"));
        assert_eq!(write.await.expect("this direction is open"), 6);
    });
}

/// Answers what was sent, and over which version.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let version = request.version();
    let body = request.into_body().collect().await?.to_bytes();
    let mut response = Response::new(Full::new(body));
    *response.version_mut() = version;
    Ok(response)
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("http://unix/")
        .header("host", "unix")
        .body(Full::new(body.into()))
        .expect("legal")
}

async fn body(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

fn a_connection_serves_many_requests<B: Backend>() {
    on_runtime::<B>(async |transport, handle| {
        let (one, other) = pair(&transport);
        let served = handle.spawn(http1::Builder::new().serve_connection(one, service_fn(echo)));
        let (mut sender, connection) = client1::handshake(other).await.expect("connected");
        let connection = handle.spawn(connection);
        for number in 0..200 {
            let response = sender.send_request(post(format!("request {number}"))).await;
            let response = response.expect("it is served");
            assert_eq!(response.version(), Version::HTTP_11);
            assert_eq!(body(response).await, format!("request {number}"));
        }
        let sent = pattern(MUCH);
        let response = sender.send_request(post(sent.clone())).await.expect("it is served");
        assert!(body(response).await == sent, "other bytes than were sent");
        drop(sender);
        connection.await.expect("nothing is left over");
        served.await.expect("the client ended it");
    });
}

fn streams_are_served_at_once<B: Backend>() {
    const STREAMS: usize = 50;
    on_runtime::<B>(async |transport, handle| {
        let (one, other) = pair(&transport);
        let executor = HyperHandle::new(handle.clone());
        // No request is answered before all of them are there.
        let all = Arc::new(Barrier::new(STREAMS));
        let service = service_fn(move |request| {
            let all = Arc::clone(&all);
            async move {
                all.wait().await;
                echo(request).await
            }
        });
        let server = http2::Builder::new(executor.clone()).serve_connection(one, service);
        let served = handle.spawn(server);
        let (sender, connection) = client2::handshake(executor, other).await.expect("connected");
        let connection = handle.spawn(connection);
        let ask = async |number: usize| {
            let sent = pattern(number * 1_000);
            let response = sender.clone().send_request(post(sent.clone())).await;
            let response = response.expect("it is served");
            assert_eq!(response.version(), Version::HTTP_2);
            assert!(body(response).await == sent, "other bytes than were sent");
        };
        join_all((0..STREAMS).map(ask)).await;
        drop(sender);
        connection.await.expect("nothing is left over");
        served.await.expect("the client ended it");
    });
}

fn a_slow_header_times_out<B: Backend>() {
    on_runtime::<B>(async |transport, handle| {
        let (server, mut client) = UnixStream::pair().expect("a pair");
        let server = transport.adopt_connection(server.into(), &AdoptOptions::new());
        let mut http = http1::Builder::new();
        http.timer(HyperHandle::new(handle)).header_read_timeout(Duration::from_millis(20));
        client.write_all(b"GET / HTT").expect("connected");
        let server = Io::new(server.expect("it is connected"));
        let error =
            http.serve_connection(server, service_fn(echo)).await.expect_err("no more comes");
        assert!(error.is_timeout(), "{}", chain(&error));
        assert_eq!(client.read(&mut [0; 8]).expect("it is closed"), 0);
    });
}

fn a_server_that_leaves_is_an_error<B: Backend>() {
    on_runtime::<B>(async |transport, handle| {
        let (one, other) = pair(&transport);
        let closer = one.get_ref().closer();
        let leave = service_fn(move |_: Request<Incoming>| {
            closer.close();
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        });
        let served = handle.spawn(http1::Builder::new().serve_connection(one, leave));
        let (mut sender, connection) = client1::handshake(other).await.expect("connected");
        let connection = handle.spawn(connection);
        let error = sender.send_request(post("")).await.expect_err("nobody answers");
        assert!(error.is_incomplete_message(), "{}", chain(&error));
        _ = connection.await; // hyper tells the sender
        drop(served);
    });
}

fn nothing_is_executed_without_the_runtime<B: Backend>() {
    on_runtime::<B>(async |_, _| {
        let runtime = Runtime::<B>::new(&Settings::default()).expect("another is open");
        let executor = HyperHandle::new(runtime.handle());
        drop(runtime);
        let held = Arc::new(());
        let future = {
            let held = Arc::clone(&held);
            async move { drop(held) }
        };
        executor.execute(future);
        assert_eq!(Arc::strong_count(&held), 1, "the future is dropped");
        executor.sleep(Duration::from_secs(1_000)).await;
    });
}
