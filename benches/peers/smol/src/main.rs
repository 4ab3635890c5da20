//! An echo server on smol: its executor for one thread, a task per connection.

use std::io;
use std::process::ExitCode;

use peer_harness::{Buffer, Task};
use smol::LocalExecutor;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::net::unix::{UnixListener, UnixStream};

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("smol"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let listener = UnixListener::bind(task.path())?;
        task.listens();
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends alone; its peer notices.
            executor.spawn(echo(stream)).detach();
        }
    }))
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
