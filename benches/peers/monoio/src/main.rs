//! An echo server on monoio's io_uring driver: a task per connection, whose buffer goes to the
//! kernel and back with each operation.

use std::io;
use std::process::ExitCode;

use monoio::io::{AsyncReadRent as _, AsyncWriteRentExt as _};
use monoio::net::{ListenerOpts, UnixListener, UnixStream};
use monoio::{IoUringDriver, RuntimeBuilder};
use peer_harness::{BUFFER, Task};

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("monoio"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    // Named, because the default would fall back to epoll without a word.
    RuntimeBuilder::<IoUringDriver>::new().build()?.block_on(async {
        // Its default asks for SO_REUSEPORT, which newer kernels refuse on Unix sockets.
        let options = ListenerOpts::new().reuse_port(false);
        let listener = UnixListener::bind_with_config(task.path(), &options)?;
        task.listens();
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails ends alone; its peer notices.
            monoio::spawn(echo(stream));
        }
    })
}

async fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut done;
    loop {
        (done, buffer) = stream.read(buffer).await;
        if done? == 0 {
            return Ok(());
        }
        (done, buffer) = stream.write_all(buffer).await;
        done?;
        buffer.clear();
    }
}
