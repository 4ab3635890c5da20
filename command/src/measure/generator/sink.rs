//! A stream into a sink: as much under way as the sockets hold, and a count at the end.
//!
//! What a sink has read nobody sees, so the count is all that is verified: that no byte was lost
//! and none came twice, not that they were the right ones. Those are verified where they come back.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::group::not_accepting;
use super::pattern::Tape;
use super::waiter::{PATIENCE, silent};
use super::{Volume, closed};

/// How long an answer is, in bytes.
const ANSWER: usize = size_of::<u64>();

/// A sink that is streamed to. Each slice is a connection of its own; between two slices there is
/// none.
#[derive(Debug)]
pub struct Sink {
    path: PathBuf,
    tape: Tape,
    chunk: u64,
}

impl Sink {
    /// Has one chunk counted, so that the server is known to serve.
    pub(super) fn connect(path: &Path, chunk: usize) -> io::Result<Sink> {
        let mut sink = Sink { path: path.to_owned(), tape: Tape::new(chunk), chunk: chunk as u64 };
        sink.run(Duration::ZERO)?;
        Ok(sink)
    }

    /// See [`Load::run`](super::Load::run). With one connection there is nothing to choose from, so
    /// the calls block instead of waiting on epoll.
    pub(super) fn run(&mut self, length: Duration) -> io::Result<Volume> {
        let end = Instant::now() + length;
        let mut stream = open(&self.path)?;
        let mut sent = Volume::default();
        // At least one chunk is sent, and the last one always whole.
        while sent.messages == 0 || Instant::now() < end {
            stream.write_all(self.tape.at(sent.bytes)).map_err(impatient)?;
            sent.messages += 1;
            sent.bytes += self.chunk;
        }
        stream.shutdown(Shutdown::Write)?;
        // To the end of the stream, so that the server is done with it, and one byte too many shows.
        let mut answer = Vec::with_capacity(ANSWER + 1);
        stream.take(ANSWER as u64 + 1).read_to_end(&mut answer).map_err(impatient)?;
        match answer {
            answer if answer == sent.bytes.to_le_bytes() => Ok(sent),
            answer if answer.len() < ANSWER => Err(closed()),
            answer => Err(miscounted(sent.bytes, &answer)),
        }
    }
}

/// Connects. No call on the connection, nor connecting itself, blocks for longer than [`PATIENCE`].
fn open(path: &Path) -> io::Result<UnixStream> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let stream = UnixStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE))?;
    // For the wait for room in the backlog, too: socket(7).
    stream.set_write_timeout(Some(PATIENCE))?;
    match connect(stream.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::EAGAIN) => Err(not_accepting()),
        connected => Ok(connected.map(|()| stream)?),
    }
}

/// Running out of time is EAGAIN.
fn impatient(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { silent() } else { error }
}

/// The error of a sink whose answer is not how much was sent.
fn miscounted(sent: u64, answer: &[u8]) -> io::Error {
    let text = format!("{sent} bytes were sent, and the count that came back is {answer:02x?}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}
