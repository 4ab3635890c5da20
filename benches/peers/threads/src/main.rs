//! An echo server without a runtime: the standard library, blocking calls and a thread for each
//! connection. What all others have to be better than.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;

use peer_harness::{Buffer, Task};

/// Beside its buffer, which is on the heap, a connection needs next to no stack: ten thousand
/// threads must fit.
const STACK: usize = 64 * 1024;

fn main() -> ExitCode {
    peer_harness::run(concat!("std ", env!("STD_VERSION")), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    let listener = UnixListener::bind(task.path())?;
    task.listens();
    loop {
        let (stream, _) = listener.accept()?;
        // A connection that fails ends alone; its peer notices.
        std::thread::Builder::new().stack_size(STACK).spawn(move || echo(stream))?;
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
