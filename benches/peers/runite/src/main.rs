//! An echo server on runite: its event loop for one thread, a task per connection.

use std::io;
use std::process::ExitCode;

use peer_harness::{Buffer, Task};
use runite::io::{AsyncReadExt as _, AsyncWriteExt as _};
use runite::net::unix::{UnixListener, UnixStream};

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("runite"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    runite::try_block_on(async {
        let listener = UnixListener::bind(task.path())?;
        task.listens();
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends alone; its peer notices.
            _ = runite::spawn(echo(stream));
        }
    })?
}

async fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = Buffer::zeroed();
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            received => stream.write_all(&buffer[..received]).await?,
        }
    }
}
