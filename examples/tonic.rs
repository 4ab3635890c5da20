//! A gRPC server and its client, tonic's, over a Unix socket, on the backend that is asked for by
//! name.
//!
//! `cargo run --all-features --example tonic -- epoll`; also `uring`, `blocking`, and without a
//! name `auto`. It serves a client of its own and ends. tonic needs tokio for its tasks and
//! timers; the sockets are not tokio's, and their driver has a thread of its own.

#[path = "tonic/greeter.rs"]
mod greeter;

use std::error::Error;

use futures_util::{TryStreamExt, stream};
use tonic::transport::{Endpoint, Server};
use unix_transport::adapters::incoming::Incoming;
use unix_transport::adapters::tower::Connector;
use unix_transport::embed::thread::DriverThread;
use unix_transport::{
    Address, AnyTransport, Cleanup, ListenOptions, Listener, Settings, Transport, select,
};

use greeter::{Client, Greeter, Name};

async fn serve_and_call(transport: AnyTransport) -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("tonic-{}.sock", std::process::id()));
    let address = Address::path(path)?;
    let listener = transport.listen(&address, &ListenOptions::new().cleanup(Cleanup::Remove))?;
    let closer = listener.closer();
    let server = Server::builder().add_service(Greeter);
    let server = tokio::spawn(server.serve_with_incoming(Incoming::new(listener)));

    // The connector knows where to connect; the host is what the server is told.
    let connector = Connector::new(transport, address, Default::default());
    let endpoint = Endpoint::from_static("http://greeter");
    let mut client = Client::new(endpoint.connect_with_connector(connector).await?);

    let greeting = client.greet("Ada").await?;
    println!("{}, from process {}", greeting.text, greeting.caller);
    let names = ["Grace", "Barbara"].map(Name::new);
    println!("{}", client.greet_all(stream::iter(names.clone())).await?.text);
    let mut letters = client.spell("Ada").await?;
    while let Some(letter) = letters.try_next().await? {
        print!("{} ", letter.text);
    }
    println!();
    let mut greetings = client.chat(stream::iter(names)).await?;
    while let Some(greeting) = greetings.try_next().await? {
        println!("{}", greeting.text);
    }

    // A closed listener ends the server.
    closer.close();
    Ok(server.await??)
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let selection = select(&name, &Settings::default())?;
    for (better, why) in &selection.passed_over {
        println!("not {better}: {why}");
    }
    println!("backend: {}", selection.name);

    let _driver = DriverThread::start(selection.driver)?;
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    tokio.block_on(serve_and_call(selection.transport))
}
