//! An HTTP server and two clients, hyper's, over a Unix socket, on the backend that is asked for
//! by name, and without tokio.
//!
//! `cargo run --all-features --example hyper -- epoll`; also `uring`, `blocking`, and without a
//! name `auto`. It serves a client with HTTP/1 and one with HTTP/2, and ends.

use std::convert::Infallible;
use std::error::Error;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use unix_transport::adapters::hyper::HyperHandle;
use unix_transport::runtime::Handle;
use unix_transport::{
    Address, Auto, Cleanup, Io, ListenOptions, Listener, Runtime, Settings, Transport, select,
};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = format!("hello over {:?}, this is {}", request.version(), request.uri().path());
    Ok(Response::new(Full::from(text)))
}

/// Serves every connection of `listener` in a task of its own, until the listener is closed.
async fn serve(mut listener: impl Listener, handle: Handle) {
    let http = auto::Builder::new(HyperHandle::new(handle.clone()));
    while let Ok((connection, _)) = listener.accept().await {
        let (http, io) = (http.clone(), Io::new(connection));
        handle.spawn(async move { http.serve_connection(io, service_fn(hello)).await }).detach();
    }
}

async fn print(
    response: Response<impl Body<Data = Bytes, Error = hyper::Error>>,
) -> Result<(), Box<dyn Error>> {
    let body = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8(body.to_vec())?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let selection = select(&name, &Settings::default())?;
    for (better, why) in &selection.passed_over {
        println!("not {better}: {why}");
    }
    println!("backend: {}", selection.name);

    let mut runtime = Runtime::<Auto>::from_parts(selection.transport, selection.driver);
    let (transport, handle) = (runtime.transport().clone(), runtime.handle());
    let path = std::env::temp_dir().join(format!("hyper-{}.sock", std::process::id()));
    let address = Address::path(path)?;
    let listener = transport.listen(&address, &ListenOptions::new().cleanup(Cleanup::Remove))?;

    let _server = runtime.spawn(serve(listener, handle.clone()));
    runtime.block_on(async {
        let request = |path| Request::get(path).header("host", "unix").body(Empty::<Bytes>::new());

        let connection = transport.connect(&address, &Default::default()).await?;
        let (mut sender, connection) = http1::handshake(Io::new(connection)).await?;
        handle.spawn(connection).detach();
        print(sender.send_request(request("/one")?).await?).await?;
        print(sender.send_request(request("/two")?).await?).await?;

        // HTTP/2 has tasks of its own.
        let executor = HyperHandle::new(handle.clone());
        let connection = transport.connect(&address, &Default::default()).await?;
        let (mut sender, connection) = http2::handshake(executor, Io::new(connection)).await?;
        handle.spawn(connection).detach();
        print(sender.send_request(request("http://unix/three")?).await?).await
    })
}
