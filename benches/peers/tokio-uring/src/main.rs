//! An echo server on tokio-uring: a task per connection, whose buffer goes to the kernel and back
//! with each operation.
//!
//! Its own `UnixListener` does not work where the kernel refuses SO_REUSEPORT on Unix sockets
//! (EOPNOTSUPP, newer kernels): it asks for the option and has no way not to. So tokio, on which it
//! runs anyway, accepts the connections, and tokio-uring serves them.

use std::io;
use std::process::ExitCode;

use peer_harness::{BUFFER, Task};
use tokio::net::UnixListener;
use tokio_uring::buf::BoundedBuf as _;
use tokio_uring::net::UnixStream;

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("tokio-uring"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    tokio_uring::start(async {
        let listener = UnixListener::bind(task.path())?;
        task.listens();
        loop {
            let (stream, _) = listener.accept().await?;
            let stream = stream.into_std()?;
            // The ring would answer EAGAIN on a non-blocking descriptor instead of waiting.
            stream.set_nonblocking(false)?;
            // A connection that fails ends alone; its peer notices.
            tokio_uring::spawn(echo(UnixStream::from_std(stream)));
        }
    })
}

async fn echo(stream: UnixStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let (received, full) = stream.read(buffer).await;
        let received = received?;
        if received == 0 {
            return Ok(());
        }
        let (written, sent) = stream.write_all(full.slice(..received)).await;
        written?;
        buffer = sent.into_inner();
    }
}
