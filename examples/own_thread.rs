//! A driver on a thread of its own, and tasks on whatever executor there is: that of `futures`,
//! smol, and tokio with many threads.
//!
//! `cargo run --example own_thread -- blocking`; also `epoll`, `uring`, and without a name `auto`.

use std::error::Error;
use std::io;

use futures_util::future::{join, try_join_all};
use unix_transport::embed::thread::DriverThread;
use unix_transport::{
    Address, AnyTransport, Cleanup, Connection, ListenOptions, Listener, PollRead, PollWrite,
    Selection, Settings, Transport, select,
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
async fn talk(transport: AnyTransport, to: Address, text: &str) -> io::Result<String> {
    let mut connection = transport.connect(&to, &Default::default()).await?;
    connection.write_all(text.as_bytes()).await?;
    connection.close_write().await?;
    let mut answer = vec![0; text.len()];
    connection.read_exact(&mut answer).await?;
    String::from_utf8(answer).map_err(io::Error::other)
}

/// A server and a client in one task: for executors that may have one thread.
async fn meet(transport: AnyTransport, at: Address, text: &str) -> io::Result<()> {
    let mut listener = transport.listen(&at, &ListenOptions::new().cleanup(Cleanup::Remove))?;
    let serving = async { echo(listener.accept().await?.0).await };
    let (served, heard) = join(serving, talk(transport, at, text)).await;
    println!("{}", heard?);
    served
}

/// A server and clients in tasks of their own: on any thread, which none of them notices.
async fn meet_on_many_threads(transport: AnyTransport, at: Address) -> io::Result<()> {
    let mut listener = transport.listen(&at, &ListenOptions::new().cleanup(Cleanup::Remove))?;
    let server = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(echo(connection));
        }
    });
    let texts = ["hello from tokio", "hello again", "and once more"];
    let clients = texts.map(|text| tokio::spawn(talk(transport.clone(), at.clone(), text)));
    for heard in try_join_all(clients).await? {
        println!("{}", heard?);
    }
    server.abort();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let Selection { name, transport, driver, .. } = select(&name, &Settings::default())?;
    println!("backend: {name}");
    let thread = DriverThread::start(driver)?;
    let directory = tempfile::tempdir()?;
    let at = Address::path(directory.path().join("socket"))?;

    futures_executor::block_on(meet(transport.clone(), at.clone(), "hello from futures"))?;
    smol::block_on(meet(transport.clone(), at.clone(), "hello from smol"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    runtime.block_on(meet_on_many_threads(transport, at))?;

    thread.stop()?; // which a drop would do, too, and say nothing of a failure
    Ok(())
}
