//! One connection to an echo server: messages that wait to be sent, and those that are not back
//! yet.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::pattern::Pattern;
use super::waiter::Waiter;
use super::{closed, differs, nanoseconds};

/// What is always watched: by edges, which spares the kernel a look at each connection that was read
/// (a fortieth more round trips). [`Connection::handle`] takes everything that is there.
const DATA: EpollFlags =
    EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP).union(EpollFlags::EPOLLET);

/// The server will send no more.
const HUNG_UP: EpollFlags =
    EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP).union(EpollFlags::EPOLLERR);

/// A connection that a [`Waiter`] watches.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    token: usize,
    number: u64,
    pattern: Pattern,
    message: u64,
    /// When each message that is not back yet began, the oldest first.
    begun: VecDeque<Instant>,
    /// Bytes so far: handed over by the load, taken by the socket, come back.
    queued: u64,
    written: u64,
    received: u64,
    /// What epoll reports now.
    interest: EpollFlags,
}

impl Connection {
    /// Connects without waiting; `None` if the server's backlog is full (EAGAIN), of whose end
    /// nothing tells. `number` sets it apart from all other connections of the load.
    pub(super) fn open(
        path: &Path,
        waiter: &Waiter,
        token: usize,
        number: u64,
        message: usize,
    ) -> io::Result<Option<Connection>> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        match connect(fd.as_raw_fd(), &UnixAddr::new(path)?) {
            Err(Errno::EAGAIN) => return Ok(None),
            connected => connected?,
        }
        let stream = UnixStream::from(fd);
        waiter.add(&stream, DATA, token)?;
        Ok(Some(Connection {
            stream,
            token,
            number,
            pattern: Pattern::of(number),
            message: message as u64,
            begun: VecDeque::new(),
            queued: 0,
            written: 0,
            received: 0,
            interest: DATA,
        }))
    }

    /// Adds a message, which began at `begun`; [`Connection::flush`] sends it.
    pub(super) fn queue(&mut self, begun: Instant) {
        self.queued += self.message;
        self.begun.push_back(begun);
    }

    /// Sends what is queued, as much as the socket takes, and the rest when there is room.
    pub(super) fn flush(&mut self, waiter: &Waiter, buffer: &mut [u8]) -> io::Result<()> {
        let mut interest = DATA;
        while self.written < self.queued {
            let rest = usize::try_from(self.queued - self.written).unwrap_or(usize::MAX);
            let length = rest.min(buffer.len());
            let bytes = &mut buffer[..length];
            self.pattern.fill(self.written, bytes);
            match self.stream.write(bytes) {
                Ok(count) => self.written += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    interest |= EpollFlags::EPOLLOUT;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if interest != self.interest {
            waiter.change(&self.stream, interest, self.token)?;
            self.interest = interest;
        }
        Ok(())
    }

    /// Does what an event asks for: sends what had no room, reads all that is there, checks every
    /// byte, and records how long the messages took that are back now. Answers how many these are, and
    /// the time.
    pub(super) fn handle(
        &mut self,
        happened: EpollFlags,
        waiter: &Waiter,
        buffer: &mut [u8],
        latencies: &mut Histogram<u64>,
    ) -> io::Result<(u64, Instant)> {
        if happened.contains(EpollFlags::EPOLLOUT) {
            self.flush(waiter, buffer)?;
        }
        let mut messages = 0;
        loop {
            let (count, back, now) = self.receive(buffer, latencies)?;
            messages += back;
            // A short count means that nothing is left but, perhaps, the end.
            if count == 0 || (count < buffer.len() && !happened.intersects(HUNG_UP)) {
                return Ok((messages, now));
            }
        }
    }

    /// Reads once. Answers how many bytes there were, how many messages, and the time.
    fn receive(
        &mut self,
        buffer: &mut [u8],
        latencies: &mut Histogram<u64>,
    ) -> io::Result<(usize, u64, Instant)> {
        let count = loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(closed()),
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let now = Instant::now();
        let before = self.received / self.message;
        if !self.pattern.matches(self.received, &buffer[..count]) {
            return Err(differs(self.number, before));
        }
        self.received += count as u64;
        if self.received > self.written {
            // More than was sent is no echo, even if the bytes are guessed right.
            return Err(differs(self.number, before));
        }
        let back = self.received / self.message - before;
        for _ in 0..back {
            let Some(begun) = self.begun.pop_front() else { break };
            // Saturates: a latency beyond the histogram's range counts as its end.
            latencies.saturating_record(nanoseconds(now - begun));
        }
        Ok((count, back, now))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
