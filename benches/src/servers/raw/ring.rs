//! A ring loop without tricks: one-shot receives into each connection's own buffer, and, to echo,
//! sends from there. It moves the most small messages at a hundred busy connections; with larger
//! messages or more connections its buffers do not stay in the cache, and a shared buffer is cheaper.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use command::arguments::Service;
use command::buffer;
use io_uring::{opcode, types};
use slab::Slab;

use super::queue::{Event, OWN, Queue};
use super::{answer, listener};

const RECEIVE: u8 = OWN;
const SEND: u8 = OWN + 1;

/// A connection's buffer, at a cache line (see [`buffer::ALIGNMENT`]).
#[repr(align(64))]
struct Memory(#[expect(dead_code, reason = "only the kernel uses it")] [u8; buffer::SIZE]);

/// Exactly one operation of a connection is under way at any time.
struct Connection {
    fd: OwnedFd,
    /// The kernel reads or writes it while an operation is under way. Only what was received is
    /// initialised, and only that much of its memory is real.
    buffer: Box<MaybeUninit<Memory>>,
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
            let (operation, key, result) = match event {
                Event::Accepted(fd) => {
                    let buffer = Box::new_uninit();
                    let key = connections.insert(Connection { fd, buffer, received: 0, sent: 0 });
                    connections[key].receive(key, service, &mut queue)?;
                    continue;
                }
                Event::Done { operation, key, result, .. } => (operation, key, result),
            };
            let connection: &mut Connection = &mut connections[key];
            match (operation, usize::try_from(result)) {
                (RECEIVE, Ok(0)) if service == Service::Sink => {
                    let connection = connections.remove(key);
                    // An error ends its connection alone; the generator notices.
                    _ = answer(&connection.fd, connection.received as u64);
                }
                // The end of the stream; or an error, which ends its connection alone.
                (RECEIVE, Ok(0)) | (_, Err(_)) => drop(connections.remove(key)),
                (RECEIVE, Ok(received)) if service == Service::Sink => {
                    connection.received += received;
                    connection.receive(key, service, &mut queue)?;
                }
                (RECEIVE, Ok(received)) => {
                    (connection.received, connection.sent) = (received, 0);
                    connection.send(key, &mut queue)?;
                }
                (_, Ok(sent)) => {
                    connection.sent += sent;
                    match connection.sent < connection.received {
                        true => connection.send(key, &mut queue)?,
                        false => connection.receive(key, service, &mut queue)?,
                    }
                }
            }
        }
    }
}

impl Connection {
    fn receive(&mut self, key: usize, service: Service, queue: &mut Queue<'_>) -> io::Result<()> {
        let into = self.buffer.as_mut_ptr().cast();
        let flags = match service {
            Service::Echo => 0,
            // Nobody waits for an answer before the end: one completion for a whole buffer.
            Service::Sink => libc::MSG_WAITALL,
        };
        // Lossless: a buffer is far below 4 GiB.
        let entry = opcode::Recv::new(self.fd(), into, buffer::SIZE as u32).flags(flags);
        queue.push(RECEIVE, key, entry.build())
    }

    fn send(&self, key: usize, queue: &mut Queue<'_>) -> io::Result<()> {
        let rest = self.buffer.as_ptr().cast::<u8>().wrapping_add(self.sent);
        let entry = opcode::Send::new(self.fd(), rest, (self.received - self.sent) as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL);
        queue.push(SEND, key, entry.build())
    }

    fn fd(&self) -> types::Fd {
        types::Fd(self.fd.as_raw_fd())
    }
}
