//! What a loop does with a connection that is ready: the same calls whoever says that it is, so
//! that epoll and a poll on the ring differ only in the waiting.
//!
//! All connections share one buffer, which stays in the cache. A connection keeps it only while it
//! holds bytes that its socket does not take.

use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use command::arguments::Service;
use command::buffer::{self, Buffer};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use super::answer;

/// Says per call what O_NONBLOCK says per socket, which the ring's accepted ones do not have.
const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT;
const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// The buffer that is received into, and those that came back from blocked connections.
pub(super) struct Buffers {
    current: Buffer,
    spare: Vec<Buffer>,
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        Buffers { current: new_buffer(), spare: Vec::new() }
    }

    /// Hands out the current buffer, with what was received, and puts another in its place.
    fn take(&mut self) -> Buffer {
        let next = self.spare.pop().unwrap_or_else(new_buffer);
        std::mem::replace(&mut self.current, next)
    }
}

fn new_buffer() -> Buffer {
    Buffer::of(buffer::SIZE)
}

/// What a connection waits for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// For bytes, or the end of the stream.
    Data,
    /// For room for what it holds; bytes that come meanwhile are not its concern.
    Room,
    /// For nothing: the stream ended, or failed.
    End,
}

/// A connection, served by readiness.
pub(super) struct Connection {
    fd: OwnedFd,
    state: State,
    /// The peer has hung up, which is told once.
    hung_up: bool,
}

/// What a connection keeps between two events.
enum State {
    /// It echoes; what was received and does not fit into the socket, if there is such.
    Echo(Option<Unwritten>),
    /// It is a sink; how many bytes came so far.
    Sink(u64),
}

struct Unwritten {
    buffer: Buffer,
    range: Range<usize>,
}

impl Connection {
    pub(super) fn new(fd: OwnedFd, service: Service) -> Connection {
        let state = match service {
            Service::Echo => State::Echo(None),
            Service::Sink => State::Sink(0),
        };
        Connection { fd, state, hung_up: false }
    }

    /// Whether room is what it waits for.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self.state, State::Echo(Some(_)))
    }

    /// Serves until nothing is left to receive, or nothing more can be sent. The peer has hung up
    /// if `hung_up`: then a short receive does not mean that the next one would find nothing, for
    /// the end of the stream gives no further event.
    pub(super) fn go_on(&mut self, hung_up: bool, buffers: &mut Buffers) -> Next {
        self.hung_up |= hung_up;
        let next = match &mut self.state {
            State::Echo(unwritten) => echo(&self.fd, unwritten, self.hung_up, buffers),
            State::Sink(count) => sink(&self.fd, count, self.hung_up, buffers),
        };
        // An error ends its connection alone; the generator notices.
        next.unwrap_or(Next::End)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn echo(
    fd: &OwnedFd,
    held: &mut Option<Unwritten>,
    hung_up: bool,
    buffers: &mut Buffers,
) -> nix::Result<Next> {
    let fd = fd.as_raw_fd();
    if let Some(unwritten) = held {
        let rest = &unwritten.buffer[unwritten.range.clone()];
        unwritten.range.start += unless_full(send(fd, rest, SEND))?;
        if unwritten.range.start < unwritten.range.end {
            return Ok(Next::Room);
        }
    }
    buffers.spare.extend(held.take().map(|unwritten| unwritten.buffer));
    loop {
        let received = match recv(fd, &mut buffers.current, RECEIVE) {
            Ok(0) => return Ok(Next::End),
            Err(Errno::EAGAIN) => return Ok(Next::Data),
            received => received?,
        };
        let sent = unless_full(send(fd, &buffers.current[..received], SEND))?;
        if sent < received {
            *held = Some(Unwritten { buffer: buffers.take(), range: sent..received });
            return Ok(Next::Room);
        }
        if received < buffer::SIZE && !hung_up {
            return Ok(Next::Data);
        }
    }
}

fn sink(fd: &OwnedFd, count: &mut u64, hung_up: bool, buffers: &mut Buffers) -> nix::Result<Next> {
    loop {
        let received = match recv(fd.as_raw_fd(), &mut buffers.current, RECEIVE) {
            Ok(0) => return answer(fd, *count).map(|()| Next::End),
            Err(Errno::EAGAIN) => return Ok(Next::Data),
            received => received?,
        };
        *count += received as u64;
        if received < buffer::SIZE && !hung_up {
            return Ok(Next::Data);
        }
    }
}

/// A full socket takes no byte.
fn unless_full(sent: nix::Result<usize>) -> nix::Result<usize> {
    match sent {
        Err(Errno::EAGAIN) => Ok(0),
        sent => sent,
    }
}
