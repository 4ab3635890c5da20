//! A thread for each connection, and nothing but `recv(2)` and `send(2)`, which block.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use command::arguments::Service;
use command::buffer::{self, Buffer};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use super::{answer, listener};

/// How much stack a thread has, in bytes; its buffer is not on it.
const STACK: usize = 64 * 1024;

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = UnixListener::from(listener(path)?);
    listener.set_nonblocking(false)?;
    listens();
    loop {
        let (stream, _) = listener.accept()?;
        // An error ends its connection alone; the generator notices.
        thread::Builder::new().stack_size(STACK).spawn(move || match service {
            Service::Echo => echo(&stream),
            Service::Sink => sink(&stream),
        })?;
    }
}

fn echo(stream: &UnixStream) -> nix::Result<()> {
    let fd = stream.as_raw_fd();
    let mut buffer = Buffer::of(buffer::SIZE);
    loop {
        let received = match recv(fd, &mut buffer, MsgFlags::empty()) {
            Ok(0) => return Ok(()),
            Err(Errno::EINTR) => continue,
            received => received?,
        };
        let mut unsent = &buffer[..received];
        while !unsent.is_empty() {
            match send(fd, unsent, MsgFlags::MSG_NOSIGNAL) {
                Err(Errno::EINTR) => {}
                sent => unsent = &unsent[sent?..],
            }
        }
    }
}

fn sink(stream: &UnixStream) -> nix::Result<()> {
    let mut buffer = Buffer::of(buffer::SIZE);
    let mut count = 0;
    loop {
        // Nobody waits for an answer before the end: one call for a whole buffer.
        match recv(stream.as_raw_fd(), &mut buffer, MsgFlags::MSG_WAITALL) {
            Ok(0) => return answer(stream, count),
            Err(Errno::EINTR) => {}
            received => count += received? as u64,
        }
    }
}
