//! A web application without tokio: a router of axum on our own runtime, on the backend that is
//! asked for by name.
//!
//! `cargo run --example serve_router --features axum -- epoll`; also `uring`, `blocking`, and
//! without a name `auto`. It serves a client of its own and ends.

use std::error::Error;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use unix_transport::adapters::Peer;
use unix_transport::adapters::axum::serve_router;
use unix_transport::{
    Address, Auto, Cleanup, ListenOptions, Listener, PollRead, PollWrite, Runtime, Settings,
    Transport, select,
};

async fn greet(ConnectInfo(peer): ConnectInfo<Peer>) -> String {
    match peer.credentials {
        Some(client) => format!("hello, user {}", client.uid),
        None => "hello, stranger".to_owned(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let selection = select(&name, &Settings::default())?;
    println!("backend: {}", selection.name);

    let mut runtime = Runtime::<Auto>::from_parts(selection.transport, selection.driver);
    let transport = runtime.transport().clone();
    let path = std::env::temp_dir().join(format!("serve-router-{}.sock", std::process::id()));
    let address = Address::path(path)?;
    let options = ListenOptions::new().cleanup(Cleanup::Remove);
    let listener = transport.listen(&address, &options)?;
    let closer = listener.closer();

    let router = Router::new().route("/", get(greet));
    let server = runtime.spawn(serve_router(runtime.handle(), listener, router));
    runtime.block_on(async {
        // What `curl --unix-socket PATH http://localhost/` would do.
        let mut client = transport.connect(&address, &Default::default()).await?;
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.write_all(request).await?;
        let mut answer = Vec::new();
        loop {
            let bytes = client.recv().await?;
            if bytes.is_empty() {
                break;
            }
            answer.extend_from_slice(&bytes);
        }
        println!("{}", String::from_utf8(answer)?);
        closer.drain();
        Ok(server.await?)
    })
}
