//! The sink of the [ring loop on which everything completes](super::ring_owned()): multishot
//! receives into buffers that the kernel takes, and gets back at once.
//!
//! A multishot receive can miss an end of stream that comes together with data while it is being armed,
//! and a sink's clients send both without waiting. So a poll tells of the end, too.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use io_uring::{cqueue, opcode, types};
use slab::Slab;

use super::answer;
use super::buffers::{Buffers, GROUP};
use super::queue::{Event, OWN, Queue};

const RECEIVE: u8 = OWN;
const HANG_UP: u8 = OWN + 1;

/// A connection, which always receives.
struct Connection {
    fd: OwnedFd,
    /// How many bytes came so far.
    count: u64,
}

/// Serves for ever.
pub(super) fn serve(mut queue: Queue<'_>, mut buffers: Buffers) -> io::Result<()> {
    let mut connections = Slab::new();
    loop {
        queue.wait()?;
        while let Some(event) = queue.next()? {
            let (key, result, flags) = match event {
                Event::Accepted(fd) => {
                    let key = connections.insert(Connection { fd, count: 0 });
                    connections[key].watch_end(key, &mut queue)?;
                    connections[key].receive(key, &mut queue)?;
                    continue;
                }
                Event::Done { operation: HANG_UP, key, .. } => {
                    // It may be gone, and the key another's, which then asks anew for nothing.
                    queue.cancel(RECEIVE, key)?;
                    continue;
                }
                Event::Done { key, result, flags, .. } => (key, result, flags),
            };
            if let Some(buffer) = cqueue::buffer_select(flags) {
                buffers.count_taken();
                buffers.give(buffer);
            }
            let connection: &mut Connection = &mut connections[key];
            connection.count += u64::try_from(result).unwrap_or(0);
            if cqueue::more(flags) {
                continue;
            }
            match result {
                0 => {
                    let connection = connections.remove(key);
                    // An error ends its connection alone; the generator notices.
                    _ = answer(&connection.fd, connection.count);
                }
                // The kernel ended it for its own reasons, or it was asked to: after the end of the
                // stream one that begins sees it.
                1.. => connection.receive(key, &mut queue)?,
                _ if result == -libc::ECANCELED => connection.receive(key, &mut queue)?,
                // There are buffers again when this is submitted: all that it had are back by then.
                _ if result == -libc::ENOBUFS => {
                    buffers.grow_for(connections.len());
                    connections[key].receive(key, &mut queue)?;
                }
                _ => drop(connections.remove(key)),
            }
        }
    }
}

impl Connection {
    fn watch_end(&self, key: usize, queue: &mut Queue<'_>) -> io::Result<()> {
        let fd = types::Fd(self.fd.as_raw_fd());
        let events = libc::POLLRDHUP as u32;
        queue.push(HANG_UP, key, opcode::PollAdd::new(fd, events).build())
    }

    fn receive(&self, key: usize, queue: &mut Queue<'_>) -> io::Result<()> {
        let fd = types::Fd(self.fd.as_raw_fd());
        queue.push(RECEIVE, key, opcode::RecvMulti::new(fd, GROUP).build())
    }
}
