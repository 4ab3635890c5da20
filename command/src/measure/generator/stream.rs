//! A stream through an echo server: as much under way as the sockets hold, every byte checked.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollFlags;

use super::pattern::Tape;
use super::waiter::Waiter;
use super::{Volume, closed, differs};
use crate::buffer::Buffer;

/// The open connection of a stream.
#[derive(Debug)]
pub struct Stream {
    waiter: Waiter,
    stream: UnixStream,
    tape: Tape,
    chunk: u64,
    into: Buffer,
    sent: u64,
    received: u64,
    /// What epoll reports now.
    interest: EpollFlags,
}

impl Stream {
    /// Opens the connection and has one chunk echoed on it, so that the server has accepted it.
    pub(super) fn connect(path: &Path, chunk: usize) -> io::Result<Stream> {
        let waiter = Waiter::new(1)?;
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        waiter.add(&stream, EpollFlags::EPOLLIN, 0)?;
        let mut opened = Stream {
            waiter,
            stream,
            tape: Tape::new(chunk),
            chunk: chunk as u64,
            into: Buffer::of(chunk),
            sent: 0,
            received: 0,
            interest: EpollFlags::EPOLLIN,
        };
        opened.run(Duration::ZERO)?;
        Ok(opened)
    }

    /// See [`Load::run`](super::Load::run).
    pub(super) fn run(&mut self, length: Duration) -> io::Result<Volume> {
        let end = Instant::now() + length;
        let before = self.received;
        let first = self.sent + self.chunk;
        let mut ending = false;
        loop {
            // At least one chunk is sent, and the last one always whole.
            ending = ending || (self.sent >= first && Instant::now() >= end);
            let more = !ending || !self.sent.is_multiple_of(self.chunk);
            let blocked = more && !self.send()?;
            while self.receive()? {}
            if !more && self.received == self.sent {
                break;
            }
            if blocked || !more {
                self.wait(blocked)?;
            }
        }
        let bytes = self.received - before;
        Ok(Volume { messages: bytes / self.chunk, bytes })
    }

    /// Sends the rest of a chunk with one call; `false` if the socket's buffer is full.
    fn send(&mut self) -> io::Result<bool> {
        let rest = self.tape.at(self.sent);
        match self.stream.write(rest) {
            Ok(written) => {
                let all = written == rest.len();
                self.sent += written as u64;
                Ok(all)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads and checks with one call; `false` if there is nothing more to read now.
    fn receive(&mut self) -> io::Result<bool> {
        let count = match self.stream.read(&mut self.into) {
            Ok(0) => return Err(closed()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let full = count == self.into.len();
        let mut echoed = &self.into[..count];
        while !echoed.is_empty() {
            let expected = self.tape.at(self.received);
            let compared = expected.len().min(echoed.len());
            if echoed[..compared] != expected[..compared] {
                return Err(differs(0, self.received / self.chunk));
            }
            self.received += compared as u64;
            echoed = &echoed[compared..];
        }
        Ok(full)
    }

    fn wait(&mut self, for_room: bool) -> io::Result<()> {
        let mut interest = EpollFlags::EPOLLIN;
        interest.set(EpollFlags::EPOLLOUT, for_room);
        if interest != self.interest {
            self.waiter.change(&self.stream, interest, 0)?;
            self.interest = interest;
        }
        self.waiter.wait().map(drop)
    }
}
