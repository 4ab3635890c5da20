//! An echo server, written once against the traits, on the backend that is asked for by name.
//!
//! `cargo run --example echo -- epoll`; also `uring`, `blocking`, and without a name `auto`. It
//! serves one client of its own and ends.

use std::error::Error;
use std::io;

use unix_transport::{
    Address, Auto, Cleanup, Connection, ListenOptions, Listener, PollRead, PollWrite, Runtime,
    Settings, Transport, select,
};

/// Sends one client back what it says, until it closes its side.
async fn serve(mut listener: impl Listener) -> io::Result<()> {
    let (mut connection, _) = listener.accept().await?;
    loop {
        let bytes = connection.recv().await?;
        if bytes.is_empty() {
            return connection.close_write().await;
        }
        connection.send_all(bytes).await?;
    }
}

/// Says `text`, and answers what comes back.
async fn say(text: &[u8], mut connection: impl Connection) -> io::Result<Vec<u8>> {
    connection.write_all(text).await?;
    connection.close_write().await?;
    let mut answer = vec![0; text.len()];
    connection.read_exact(&mut answer).await?;
    Ok(answer)
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let selection = select(&name, &Settings::default())?;
    for (better, why) in &selection.passed_over {
        println!("not {better}: {why}");
    }
    println!("backend: {}", selection.name);

    let mut runtime = Runtime::<Auto>::from_parts(selection.transport, selection.driver);
    let transport = runtime.transport().clone();
    let path = std::env::temp_dir().join(format!("echo-{}.sock", std::process::id()));
    let address = Address::path(path)?;
    let options = ListenOptions::new().cleanup(Cleanup::Remove);
    let listener = transport.listen(&address, &options)?;

    let server = runtime.spawn(serve(listener));
    runtime.block_on(async {
        let client = transport.connect(&address, &Default::default()).await?;
        println!("{}", String::from_utf8(say(b"hello", client).await?)?);
        Ok(server.await?)
    })
}
