//! A ring loop without tricks: one-shot receives into each connection's own buffer, and, to echo,
//! sends from there. It moves the most small messages at a hundred busy connections; with larger
//! messages or more connections its buffers do not stay in the cache, and a shared buffer is cheaper.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use command::arguments::Service;
use command::buffer;
use io_uring::squeue::Entry;
use io_uring::{opcode, types};
use slab::Slab;

use super::queue::{Event, OWN, Queue};
use super::{answer, listener};

/// A connection's buffer, at a cache line (see [`buffer::ALIGNMENT`]).
#[repr(align(64))]
struct Memory(#[expect(dead_code, reason = "only the kernel uses it")] [u8; buffer::SIZE]);

/// Exactly one operation of a connection is under way at any time.
pub(super) struct Connection {
    fd: OwnedFd,
    /// The kernel reads or writes it while an operation is under way. Only what was received is
    /// initialised, and only that much of its memory is real.
    buffer: Box<MaybeUninit<Memory>>,
    service: Service,
    /// At once; by a sink since the beginning.
    received: usize,
    sent: usize,
}

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = listener(path)?;
    let mut queue = Queue::new(listener.as_fd())?;
    listens();
    let mut connections = Slab::new();
    loop {
        queue.wait()?;
        while let Some(event) = queue.next()? {
            let (key, result) = match event {
                Event::Accepted(fd) => {
                    let key = connections.insert(Connection::new(fd, service));
                    queue.push(OWN, key, connections[key].next())?;
                    continue;
                }
                Event::Done { key, result, .. } => (key, result),
            };
            let connection: &mut Connection = &mut connections[key];
            match connection.go_on(result) {
                Some(next) => queue.push(OWN, key, next)?,
                None => drop(connections.remove(key)),
            }
        }
    }
}

impl Connection {
    pub(super) fn new(fd: OwnedFd, service: Service) -> Connection {
        Connection { fd, buffer: Box::new_uninit(), service, received: 0, sent: 0 }
    }

    /// Notes what its operation came to. Answers its next one, or that it is over. An error ends its
    /// connection alone; the generator notices.
    pub(super) fn go_on(&mut self, result: i32) -> Option<Entry> {
        let count = usize::try_from(result).ok()?;
        match self.service {
            Service::Sink if count == 0 => {
                _ = answer(&self.fd, self.received as u64);
                return None;
            }
            Service::Sink => self.received += count,
            Service::Echo if self.is_sending() => self.sent += count,
            // The end of the stream.
            Service::Echo if count == 0 => return None,
            Service::Echo => (self.received, self.sent) = (count, 0),
        }
        Some(self.next())
    }

    fn is_sending(&self) -> bool {
        self.service == Service::Echo && self.sent < self.received
    }

    /// Its operation now. Its memory must stay until that is over.
    pub(super) fn next(&mut self) -> Entry {
        if self.is_sending() { self.send() } else { self.receive() }
    }

    fn receive(&mut self) -> Entry {
        let into = self.buffer.as_mut_ptr().cast();
        let flags = match self.service {
            Service::Echo => 0,
            // Nobody waits for an answer before the end: one completion for a whole buffer.
            Service::Sink => libc::MSG_WAITALL,
        };
        // Lossless: a buffer is far below 4 GiB.
        opcode::Recv::new(self.fd(), into, buffer::SIZE as u32).flags(flags).build()
    }

    fn send(&self) -> Entry {
        let rest = self.buffer.as_ptr().cast::<u8>().wrapping_add(self.sent);
        opcode::Send::new(self.fd(), rest, (self.received - self.sent) as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
    }

    fn fd(&self) -> types::Fd {
        types::Fd(self.fd.as_raw_fd())
    }
}
