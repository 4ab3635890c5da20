//! A ring loop by completion: a multishot receive for each connection, into buffers that the kernel
//! takes when data is there, and sends from those same buffers.
//!
//! A send is first tried without waiting. Queued, it then reports only if it did not take everything:
//! when the `enter` that submitted it is over, so is the send, and the wait does not end for it. Or it
//! is a direct call, which costs less where a system call is cheap.
//!
//! A multishot receive can miss an end of stream that comes together with data while it is being armed.
//! Nothing is done about that here: those who wait for their echo end later.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use command::arguments::Service;
use io_uring::squeue::Flags;
use io_uring::{cqueue, opcode, types};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use slab::Slab;

use super::buffers::{Buffers, GROUP, Number};
use super::queue::{Event, OWN, Queue};
use super::{listener, ring_owned_sink};

const RECEIVE: u8 = OWN;
const SEND: u8 = OWN + 1;

/// How many received pieces a connection may hold. Its receive is cancelled then, until half of
/// them are sent: a peer that does not read is stopped by its own socket.
const AHEAD: usize = 8;

/// Says per call what O_NONBLOCK says per socket, which the ring's accepted ones do not have.
const SEND_NOW: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// A connection. It is removed when its stream is over and nothing is under way.
struct Connection {
    fd: OwnedFd,
    receive: Receive,
    /// What is not sent yet, in order; the first is being sent.
    pieces: VecDeque<Piece>,
    /// How much of the first piece was sent before.
    sent: u32,
    send: Send,
    /// Its last send found too little room.
    is_full: bool,
    /// It can't be sent to any more, so nothing that comes matters.
    is_failed: bool,
}

/// What was received at once.
struct Piece {
    buffer: Number,
    length: u32,
}

/// What the kernel was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Receive {
    Idle,
    Armed,
    /// Asked to stop; its last completion is still to come.
    Cancelled,
    /// It found no buffer, and waits until one comes back.
    Starved,
    /// Nothing more will come.
    Over,
}

/// What is being sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Send {
    Nothing,
    /// It reports only its failure.
    Quiet,
    Loud,
}

pub(super) struct Server<'a> {
    pub(super) queue: Queue<'a>,
    buffers: Buffers,
    connections: Slab<Connection>,
    starved: Vec<usize>,
    /// Whose sends report only their failure, since the last wait.
    quiet: Vec<usize>,
    /// The same of the last wait, whose end was not told yet.
    submitted: Vec<usize>,
    /// Something is behind one of those, so that their end is waited for.
    is_awaited: bool,
    /// Whether sends are first tried by `send(2)`.
    sends_directly: bool,
}

/// Listens at `path`, says so, and serves for ever, with sends on the ring.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    serve_with(path, service, listens, false)
}

/// The same with direct calls of `send(2)`.
pub(in super::super) fn serve_directly(
    path: &Path,
    service: Service,
    listens: &dyn Fn(),
) -> io::Result<()> {
    serve_with(path, service, listens, true)
}

fn serve_with(
    path: &Path,
    service: Service,
    listens: &dyn Fn(),
    sends_directly: bool,
) -> io::Result<()> {
    let listener = listener(path)?;
    let queue = Queue::new(listener.as_fd())?;
    let buffers = Buffers::new(&queue)?;
    listens();
    if service == Service::Sink {
        // Nothing is held or sent, so that nothing of what is below is needed.
        return ring_owned_sink::serve(queue, buffers);
    }
    let mut server = Server::new(queue, buffers, sends_directly);
    loop {
        server.wait()?;
        while let Some(event) = server.queue.next()? {
            let key = match event {
                Event::Accepted(fd) => server.accepted(fd),
                Event::Done { operation, key, result, flags } => {
                    server.completed(operation, key, result, flags);
                    key
                }
            };
            server.go_on(key)?;
        }
        while let Some(key) = server.next_sent() {
            server.go_on(key)?;
        }
        for key in server.fed() {
            server.go_on(key)?;
        }
    }
}

impl<'a> Server<'a> {
    pub(super) fn new(queue: Queue<'a>, buffers: Buffers, sends_directly: bool) -> Self {
        let connections = Slab::new();
        let (starved, quiet, submitted) = (Vec::new(), Vec::new(), Vec::new());
        let is_awaited = false;
        Server {
            queue,
            buffers,
            connections,
            starved,
            quiet,
            submitted,
            is_awaited,
            sends_directly,
        }
    }

    /// Submits what is queued. Waits for a completion, unless a send whose end is awaited may report none.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.is_awaited) {
            true => self.queue.submit()?,
            false => self.queue.wait()?,
        }
        std::mem::swap(&mut self.submitted, &mut self.quiet);
        Ok(())
    }

    pub(super) fn accepted(&mut self, fd: OwnedFd) -> usize {
        let (receive, pieces) = (Receive::Idle, VecDeque::new());
        let (send, is_full, is_failed) = (Send::Nothing, false, false);
        let connection = Connection { fd, receive, pieces, sent: 0, send, is_full, is_failed };
        self.connections.insert(connection)
    }

    /// Takes in that an operation of the connection `key` is over.
    pub(super) fn completed(&mut self, operation: u8, key: usize, result: i32, flags: u32) {
        match operation {
            RECEIVE => self.received(key, result, flags),
            _ => self.sent(key, result),
        }
    }

    fn received(&mut self, key: usize, result: i32, flags: u32) {
        let connection = &mut self.connections[key];
        if !cqueue::more(flags) {
            connection.receive = match -result {
                // Cancelled, or ended after a piece for the kernel's own reasons.
                libc::ECANCELED | i32::MIN..0 => Receive::Idle,
                libc::ENOBUFS => Receive::Starved,
                // The end of the stream; or an error, which ends its connection alone.
                _ => Receive::Over,
            };
            if connection.receive == Receive::Starved {
                self.starved.push(key);
            }
        }
        if let Some(buffer) = cqueue::buffer_select(flags) {
            self.buffers.count_taken();
            match u32::try_from(result) {
                Ok(length @ 1..) if !connection.is_failed => {
                    connection.pieces.push_back(Piece { buffer, length });
                }
                _ => self.buffers.give(buffer),
            }
        }
    }

    /// The next whose quiet send is over without a failure, which it takes in.
    pub(super) fn next_sent(&mut self) -> Option<usize> {
        while let Some(key) = self.submitted.pop() {
            // A connection stays while it sends, so the key is its own.
            let sends = self.connections.get(key).filter(|it| it.send == Send::Quiet);
            // Lossless: a piece is no longer than a buffer. It took everything.
            let length = sends.and_then(|it| Some((it.pieces.front()?.length - it.sent) as i32));
            if let Some(length) = length {
                self.sent(key, length);
                return Some(key);
            }
        }
        None
    }

    fn sent(&mut self, key: usize, result: i32) {
        let connection = &mut self.connections[key];
        let is_refused = connection.send == Send::Quiet && result == -libc::EAGAIN;
        connection.send = Send::Nothing;
        connection.is_failed = result < 0 && !is_refused;
        let left = connection.pieces.front().map_or(0, |first| first.length - connection.sent);
        connection.is_full = u32::try_from(result).is_ok_and(|sent| sent < left) || is_refused;
        connection.sent += u32::try_from(result).unwrap_or(0);
        while let Some(first) = connection.pieces.front() {
            if first.length > connection.sent && !connection.is_failed {
                break;
            }
            self.buffers.give(first.buffer);
            connection.pieces.pop_front();
            connection.sent = 0;
        }
    }

    /// Sends what fits, by direct calls.
    fn send_now(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.send != Send::Nothing || connection.is_full || connection.is_failed {
            return;
        }
        while let Some(first) = connection.pieces.front() {
            let rest = self.buffers.bytes(first.buffer, connection.sent..first.length);
            match send(connection.fd.as_raw_fd(), rest, SEND_NOW) {
                // Lossless: a piece is no longer than a buffer.
                Ok(sent) => connection.sent += sent as u32,
                Err(Errno::EAGAIN) => connection.is_full = true,
                Err(_) => {
                    connection.is_failed = true;
                    connection.pieces.drain(..).for_each(|piece| self.buffers.give(piece.buffer));
                    return;
                }
            }
            if connection.sent < first.length {
                return connection.is_full = true;
            }
            self.buffers.give(first.buffer);
            connection.pieces.pop_front();
            connection.sent = 0;
        }
    }

    /// Queues what a connection needs next, or ends it. Answers whether it is still there.
    pub(super) fn go_on(&mut self, key: usize) -> io::Result<bool> {
        if self.sends_directly {
            self.send_now(key);
        }
        let connection = &mut self.connections[key];
        let fd = types::Fd(connection.fd.as_raw_fd());
        if let Some(first) = connection.pieces.front().filter(|_| connection.send == Send::Nothing)
        {
            let is_quiet = !connection.is_full;
            let rest = self.buffers.start(first.buffer, connection.sent);
            let entry = opcode::Send::new(fd, rest, first.length - connection.sent);
            let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
            let entry = match is_quiet {
                true => entry.flags(flags | libc::MSG_DONTWAIT).build().flags(Flags::SKIP_SUCCESS),
                false => entry.flags(flags).build(),
            };
            if is_quiet {
                self.quiet.push(key);
            }
            connection.send = if is_quiet { Send::Quiet } else { Send::Loud };
            self.queue.push(SEND, key, entry)?;
        }
        let is_last = connection.pieces.len() <= 1 && connection.receive != Receive::Over;
        self.is_awaited |= connection.send == Send::Quiet && !is_last;
        let (ahead, is_failed) = (connection.pieces.len(), connection.is_failed);
        match connection.receive {
            Receive::Armed if is_failed || ahead >= AHEAD => {
                connection.receive = Receive::Cancelled;
                self.queue.cancel(RECEIVE, key)?;
            }
            Receive::Idle if !is_failed && ahead <= AHEAD / 2 => {
                connection.receive = Receive::Armed;
                self.queue.push(RECEIVE, key, opcode::RecvMulti::new(fd, GROUP).build())?;
            }
            _ => {}
        }
        let is_receiving = matches!(connection.receive, Receive::Armed | Receive::Cancelled);
        let is_over = connection.receive == Receive::Over || is_failed;
        let ends = is_over && !is_receiving && connection.send == Send::Nothing;
        if ends {
            self.connections.remove(key);
        }
        Ok(!ends)
    }

    /// Those who found no buffer, if there is one by now.
    pub(super) fn fed(&mut self) -> Vec<usize> {
        if self.starved.is_empty() {
            return Vec::new();
        }
        self.buffers.grow_for(self.connections.len());
        if !self.buffers.is_any_left() {
            return Vec::new();
        }
        let mut fed = std::mem::take(&mut self.starved);
        // One may have ended, and its key may be another's.
        fed.retain(|key| {
            let starved = self.connections.get_mut(*key);
            let starved = starved.filter(|connection| connection.receive == Receive::Starved);
            starved.map(|connection| connection.receive = Receive::Idle).is_some()
        });
        fed
    }
}
