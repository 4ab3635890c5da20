//! An echo server on may: a coroutine with a stack of its own for each connection, on one worker.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use may::go;
use may::os::unix::net::{UnixListener, UnixStream};
use peer_harness::{Buffer, Task};

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("may"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    // Pinned workers would leave the cores that this process was given.
    may::config().set_workers(1).set_worker_pin(false);
    let done = go!(move || accept(&task)).join();
    Ok(done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
}

fn accept(task: &Task) -> io::Result<()> {
    let listener = UnixListener::bind(task.path())?;
    task.listens();
    loop {
        let (stream, _) = listener.accept()?;
        // A connection that fails ends alone; its peer notices.
        go!(move || echo(stream));
    }
}

fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = Buffer::zeroed();
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            received => stream.write_all(&buffer[..received])?,
        }
    }
}
