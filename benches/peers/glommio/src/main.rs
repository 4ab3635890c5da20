//! An echo server on glommio: its executor for one thread, a task per connection.

use std::io;
use std::process::ExitCode;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use glommio::net::{UnixListener, UnixStream};
use glommio::{LocalExecutorBuilder, Placement};
use peer_harness::{Buffer, Task};

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("glommio"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    LocalExecutorBuilder::new(Placement::Unbound).make()?.run(async {
        let listener = UnixListener::bind(task.path())?;
        task.listens();
        loop {
            let stream = listener.accept().await?;
            // A connection that fails ends alone; its peer notices.
            glommio::spawn_local(echo(stream)).detach();
        }
    })
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
