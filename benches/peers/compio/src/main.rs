//! An echo server on compio with io_uring: a task per connection, whose buffer goes to the kernel
//! and back with each operation.

use std::io;
use std::process::ExitCode;

use compio::BufResult;
use compio::io::{AsyncRead as _, AsyncWriteExt as _};
use compio::net::{UnixListener, UnixStream};
use compio::runtime::Runtime;
use peer_harness::{BUFFER, Task};

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("compio"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    Runtime::new()?.block_on(async {
        let listener = UnixListener::bind(task.path()).await?;
        task.listens();
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends alone; its peer notices.
            compio::runtime::spawn(echo(stream)).detach();
        }
    })
}

async fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        let BufResult(received, full) = stream.read(buffer).await;
        if received? == 0 {
            return Ok(());
        }
        let BufResult(written, sent) = stream.write_all(full).await;
        written?;
        buffer = sent;
        buffer.clear();
    }
}
