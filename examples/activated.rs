//! A server that a service manager starts when its first client comes, on the backend that is asked
//! for by name. It ends when it is idle; the manager keeps the sockets, and can start it again.
//!
//! ```sh
//! cargo build --example activated
//! systemd-socket-activate --listen=/tmp/one --listen=/tmp/two --fdname=one:two \
//!     target/debug/examples/activated epoll &
//! echo hello | socat - UNIX-CONNECT:/tmp/two    # answers "two: hello"
//! ```
//!
//! Started by hand it says that nothing was passed, and ends.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use unix_transport::{
    AdoptOptions, Auto, Connection, Listener, Runtime, Settings, Transport, activation, select,
};

/// How long it waits for the next client.
const IDLE: Duration = Duration::from_millis(500);

/// Serves the clients of one socket, one after the other, until none comes.
async fn serve(name: String, mut listener: impl Listener) -> io::Result<()> {
    loop {
        listener.set_accept_deadline(Some(Instant::now() + IDLE));
        match listener.accept().await {
            Ok((connection, _)) => answer(&name, connection).await?,
            Err(e) if e.kind() == ErrorKind::TimedOut => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}

/// Sends what a client says back, after the name of the socket.
async fn answer(name: &str, mut connection: impl Connection) -> io::Result<()> {
    connection.set_read_deadline(Some(Instant::now() + IDLE));
    connection.write_all(format!("{name}: ").as_bytes()).await?;
    loop {
        let bytes = connection.recv().await?;
        if bytes.is_empty() {
            return connection.close_write().await;
        }
        connection.send_all(bytes).await?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned()))
}

pub(crate) fn run(backend: &str) -> Result<(), Box<dyn Error>> {
    // First of all, while no descriptor is this program's own.
    let sockets = activation::listeners()?;
    if sockets.is_empty() {
        println!("no socket was passed: start it with systemd-socket-activate");
        return Ok(());
    }
    let selection = select(backend, &Settings::default())?;
    let mut runtime = Runtime::<Auto>::from_parts(selection.transport, selection.driver);
    let mut servers = Vec::new();
    for (name, socket) in sockets {
        let listener = runtime.transport().adopt_listener(socket, &AdoptOptions::new())?;
        println!("{name}: {} with {}", listener.local_address(), selection.name);
        servers.push(runtime.spawn(serve(name, listener)));
    }
    runtime.block_on(async {
        for server in servers {
            server.await?;
        }
        Ok(())
    })
}
