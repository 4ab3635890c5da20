//! An echo server on tokio's current-thread runtime, written as its documentation teaches.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;

/// How much is read at once, in bytes: as our servers do.
const BUFFER: usize = 64 * 1024;

/// Listens at `path`, says so, and serves for ever.
pub(super) fn serve(path: &Path, listens: &dyn Fn()) -> io::Result<()> {
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = UnixListener::bind(path)?;
        listens();
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends alone; the generator notices.
            tokio::spawn(echo(stream));
        }
    })
}

async fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            received => stream.write_all(&buffer[..received]).await?,
        }
    }
}
