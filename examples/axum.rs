//! A web application on `axum::serve`, inside a tokio runtime of several threads, on the backend
//! that is asked for by name.
//!
//! `cargo run --example axum --features axum -- epoll`; also `uring`, `blocking`, and without a
//! name `auto`. It serves a client of its own and ends. With another address it is
//! `curl --unix-socket PATH http://localhost/` that would ask.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use unix_transport::adapters::Peer;
use unix_transport::adapters::axum::AxumListener;
use unix_transport::embed::nested::Nested;
use unix_transport::embed::thread::DriverThread;
use unix_transport::{
    Address, Cleanup, Driver, ListenOptions, Listener, Settings, Transport, select,
};

async fn greet(ConnectInfo(peer): ConnectInfo<Peer>) -> String {
    match peer.credentials {
        Some(client) => format!("hello, user {}", client.uid),
        None => "hello, stranger".to_owned(),
    }
}

/// What `curl` would do.
fn ask(path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let selection = select(&name, &Settings::default())?;
    let path = format!("{}/axum-{}.sock", std::env::temp_dir().display(), std::process::id());
    let options = ListenOptions::new().cleanup(Cleanup::Remove);
    let mut listener =
        AxumListener::new(selection.transport.listen(&Address::path(&path)?, &options)?);

    let client = tokio::task::spawn_blocking(move || ask(&path));
    let (closer, ended) = (listener.get_ref().closer(), listener.ended());
    let router = Router::new().route("/", get(greet));
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<Peer>());
    let serving = serving.with_graceful_shutdown(async { ended.await.expect("it can accept") });
    let served = tokio::spawn(async move {
        // Here, one client is enough.
        tokio::spawn(async move {
            println!("{}", client.await??);
            closer.drain();
            Ok::<_, std::io::Error>(())
        });
        serving.await
    });

    // Somebody has to move the driver: this task, which stays on this thread, or, for a backend
    // that has no descriptor to wait for, a thread.
    println!("backend: {}", selection.name);
    match selection.driver.wait_fd() {
        Some(_) => tokio::select! {
            served = served => served??,
            failed = Nested::new(selection.driver)?.run() => match failed? {},
        },
        None => {
            let driver = DriverThread::start(selection.driver)?;
            served.await??;
            driver.stop()?;
        }
    }
    Ok(())
}
