//! A driver nested in tokio, multi-threaded: the driver on the main thread, tasks on any.
//!
//! `cargo run --example nested_tokio -- uring`; also `epoll`, and without a name `auto`. The
//! program serves three clients and ends.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio::task::JoinSet;
use unix_transport::embed::nested::Nested;
use unix_transport::{
    Address, AnyTransport, Connection, ListenOptions, Listener, PollRead, PollWrite, Selection,
    Settings, Transport, select,
};

/// Sends a client back what it says, until it closes its side.
async fn echo(mut connection: impl Connection) -> io::Result<()> {
    loop {
        let bytes = connection.recv().await?;
        if bytes.is_empty() {
            return connection.close_write().await;
        }
        connection.send_all(bytes).await?;
    }
}

/// A client, and what it heard.
async fn talk(transport: AnyTransport, to: Address, number: usize) -> io::Result<String> {
    let mut connection = transport.connect(&to, &Default::default()).await?;
    // tokio's timers and the driver's can be used side by side.
    tokio::time::sleep(Duration::from_millis(number as u64)).await;
    let text = format!("hello from client {number}");
    connection.write_all(text.as_bytes()).await?;
    connection.close_write().await?;
    let mut answer = vec![0; text.len()];
    connection.read_exact(&mut answer).await?;
    String::from_utf8(answer).map_err(io::Error::other)
}

/// Everything that this program does, as it would be without any driver to be seen.
async fn serve_clients(transport: AnyTransport, at: Address) -> Result<(), Box<dyn Error>> {
    let mut listener = transport.listen(&at, &ListenOptions::new())?;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(echo(connection));
        }
    });
    let mut clients: JoinSet<_> =
        (1..=3).map(|number| talk(transport.clone(), at.clone(), number)).collect();
    while let Some(heard) = clients.join_next().await {
        println!("{}", heard??);
    }
    Ok(())
}

// The future that the main thread blocks on stays on that thread, as the driver must.
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let Selection { name, transport, driver, .. } = select(&name, &Settings::default())?;
    let nested = match Nested::new(driver) {
        Ok(nested) => nested,
        Err(e) if e.kind() == io::ErrorKind::Unsupported => {
            println!("{name}: {e}; see the example own_thread");
            return Ok(());
        }
        Err(e) => return Err(e.into()),
    };
    println!("backend: {name}");
    let directory = tempfile::tempdir()?;
    let at = Address::path(directory.path().join("socket"))?;
    tokio::select! {
        served = serve_clients(transport, at) => served,
        failed = nested.run() => match failed? {},
    }
}
