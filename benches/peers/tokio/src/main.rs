//! An echo or sink server on tokio, a task per connection: its current-thread runtime, or the multi-thread
//! one if more than one thread is asked for.

use std::io;
use std::process::ExitCode;

use peer_harness::{Buffer, Service, Task};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let services = [Service::Echo, Service::Sink];
    peer_harness::run_services(&peer_harness::version_of!("tokio"), &services, usize::MAX, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    let mut builder = match task.threads() {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(task.threads()).enable_io().build()?;
    // In a task of its own, so that the multi-thread runtime accepts on its workers as well.
    runtime.block_on(runtime.spawn(accept(task)))??;
    Ok(())
}

async fn accept(task: Task) -> io::Result<()> {
    let listener = UnixListener::bind(task.path())?;
    task.listens();
    loop {
        let (stream, _) = listener.accept().await?;
        // A connection that fails ends alone; its peer notices.
        match task.service() {
            Service::Echo => tokio::spawn(echo(stream)),
            Service::Sink => tokio::spawn(sink(stream)),
        };
    }
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

async fn sink(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = Buffer::zeroed();
    let mut count = 0_u64;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return stream.write_all(&count.to_le_bytes()).await,
            received => count += received as u64,
        }
    }
}
