//! Echo and sink servers in a tokio program of one thread, a task per connection: our sockets on
//! tokio's reactor, and our ring nested in it.

use std::io;
use std::path::Path;

use command::arguments::Service;
use command::buffer::{self, Buffer};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use unix_transport::embed::hosted::tokio::TokioReactor;
use unix_transport::embed::nested::Nested;
use unix_transport::{
    Address, Backend as _, Connection, Listener as _, Readiness, Settings, Transport, Uring,
};

/// Serves by the borrowed path, in the same way as the peer `tokio`, on sockets that tokio watches.
pub(super) fn hosted(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let serve = match service {
        Service::Echo => echo_borrowed,
        Service::Sink => sink_borrowed,
    };
    runtime()?.block_on(async {
        accept(Readiness::new(TokioReactor::current()), path, listens, serve).await
    })
}

/// Serves by the owned path, as the ring's own runtime does.
pub(super) fn nested(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let serve = match service {
        Service::Echo => echo_owned,
        Service::Sink => sink_owned,
    };
    runtime()?.block_on(async {
        let (transport, driver) = Uring::open(&Settings::default())?;
        let nested = Nested::new(driver)?;
        tokio::select! {
            ended = accept(transport, path, listens, serve) => ended,
            failed = nested.run() => match failed? {},
        }
    })
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// Serves for ever: starts the task `serve` for each connection.
async fn accept<T: Transport>(
    transport: T,
    path: &Path,
    listens: &dyn Fn(),
    serve: fn(T::Connection) -> JoinHandle<io::Result<()>>,
) -> io::Result<()> {
    let address = Address::path(path).map_err(io::Error::other)?;
    let mut listener = transport.listen(&address, &Default::default())?;
    listens();
    loop {
        let (connection, _) = listener.accept().await?;
        // A connection that fails ends alone; its peer notices.
        drop(serve(connection));
    }
}

fn echo_borrowed(mut connection: impl Connection) -> JoinHandle<io::Result<()>> {
    tokio::spawn(async move {
        let mut buffer = Buffer::of(buffer::SIZE);
        loop {
            match connection.read(&mut buffer).await? {
                0 => return Ok(()),
                received => connection.write_all(&buffer[..received]).await?,
            }
        }
    })
}

fn echo_owned(mut connection: impl Connection) -> JoinHandle<io::Result<()>> {
    tokio::spawn(async move {
        loop {
            let chunk = connection.recv().await?;
            if chunk.is_empty() {
                return Ok(());
            }
            connection.send_all(chunk).await?;
        }
    })
}

fn sink_borrowed(mut connection: impl Connection) -> JoinHandle<io::Result<()>> {
    tokio::spawn(async move {
        let mut buffer = Buffer::of(buffer::SIZE);
        let mut count = 0_u64;
        loop {
            match connection.read(&mut buffer).await? {
                0 => return connection.write_all(&count.to_le_bytes()).await,
                received => count += received as u64,
            }
        }
    })
}

fn sink_owned(mut connection: impl Connection) -> JoinHandle<io::Result<()>> {
    tokio::spawn(async move {
        let mut count = 0_u64;
        loop {
            let chunk = connection.recv().await?;
            if chunk.is_empty() {
                return connection.write_all(&count.to_le_bytes()).await;
            }
            count += chunk.len() as u64;
        }
    })
}
