//! An echo server on kimojio: a task per connection, io_uring operations on descriptors.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use kimojio::Errno;
use kimojio::operations;
use peer_harness::{Buffer, Task};

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("kimojio"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    // Its own `bind` is for internet addresses only; all other operations take any descriptor.
    let listener = OwnedFd::from(UnixListener::bind(task.path())?);
    task.listens();
    match kimojio::run(0, accept(listener)) {
        Some(Ok(Err(errno))) => Err(errno.into()),
        Some(Ok(Ok(()))) | None => Ok(()),
        Some(Err(panic)) => std::panic::resume_unwind(panic),
    }
}

async fn accept(listener: OwnedFd) -> Result<(), Errno> {
    loop {
        let stream = operations::accept(&listener).await?;
        // A connection that fails ends alone; its peer notices.
        _ = operations::spawn_task(echo(stream));
    }
}

async fn echo(stream: OwnedFd) -> Result<(), Errno> {
    let mut buffer = Buffer::zeroed();
    loop {
        let received = operations::read(&stream, &mut buffer).await?;
        if received == 0 {
            return operations::close(stream).await;
        }
        let mut written = 0;
        while written < received {
            written += operations::write(&stream, &buffer[written..received]).await?;
        }
    }
}
