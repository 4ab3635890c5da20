//! Echo servers in a tokio program of one thread, a task per connection: our sockets on tokio's
//! reactor, and our ring nested in it.

use std::io;
use std::path::Path;

use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use unix_transport::embed::hosted::tokio::TokioReactor;
use unix_transport::embed::nested::Nested;
use unix_transport::{
    Address, Backend as _, Connection, Listener as _, Readiness, Settings, Transport, Uring,
};

/// How much is read at once, in bytes: as the peers do.
const BUFFER: usize = 64 * 1024;

/// Serves by the borrowed path, in the same way as the peer `tokio`, on sockets that tokio watches.
pub(super) fn hosted(path: &Path, listens: &dyn Fn()) -> io::Result<()> {
    runtime()?.block_on(async {
        accept(Readiness::new(TokioReactor::current()), path, listens, borrowed).await
    })
}

/// Serves by the owned path, as the ring's own runtime does.
pub(super) fn nested(path: &Path, listens: &dyn Fn()) -> io::Result<()> {
    runtime()?.block_on(async {
        let (transport, driver) = Uring::open(&Settings::default())?;
        let nested = Nested::new(driver)?;
        tokio::select! {
            ended = accept(transport, path, listens, owned) => ended,
            failed = nested.run() => match failed? {},
        }
    })
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// Serves for ever: starts the task `echo` for each connection.
async fn accept<T: Transport>(
    transport: T,
    path: &Path,
    listens: &dyn Fn(),
    echo: fn(T::Connection) -> JoinHandle<io::Result<()>>,
) -> io::Result<()> {
    let address = Address::path(path).map_err(io::Error::other)?;
    let mut listener = transport.listen(&address, &Default::default())?;
    listens();
    loop {
        let (connection, _) = listener.accept().await?;
        // A connection that fails ends alone; its peer notices.
        drop(echo(connection));
    }
}

fn borrowed(mut connection: impl Connection) -> JoinHandle<io::Result<()>> {
    tokio::spawn(async move {
        let mut buffer = vec![0; BUFFER];
        loop {
            match connection.read(&mut buffer).await? {
                0 => return Ok(()),
                received => connection.write_all(&buffer[..received]).await?,
            }
        }
    })
}

fn owned(mut connection: impl Connection) -> JoinHandle<io::Result<()>> {
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
