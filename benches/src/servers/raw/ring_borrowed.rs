//! A ring loop that only waits on the ring: a multishot poll for each connection, and direct calls
//! through one buffer for all.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::path::Path;

use command::arguments::Service;
use io_uring::squeue::Entry;
use io_uring::{cqueue, opcode, types};
use slab::Slab;

use super::listener;
use super::queue::{Event, OWN, Queue};
use super::ready::{Buffers, Connection, Next};

/// The multishot poll for bytes.
pub(super) const DATA: u8 = OWN;
/// The multishot poll for bytes and room, in its place from the first blocked send on: what comes
/// together is told together.
pub(super) const BOTH: u8 = OWN + 1;

const HUNG_UP: i32 = (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) as i32;

/// A connection, and which polls the kernel holds for it. It is removed when there are none: until
/// then its file would stay open, and its key must not be another's.
struct Polled {
    connection: Connection,
    data: bool,
    both: bool,
    is_over: bool,
}

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = listener(path)?;
    let mut queue = Queue::new(listener.as_fd())?;
    listens();
    let mut connections = Slab::new();
    let mut buffers = Buffers::new();
    loop {
        queue.wait()?;
        while let Some(event) = queue.next()? {
            let (operation, key, result, flags) = match event {
                Event::Accepted(fd) => {
                    let connection = Connection::new(fd, service);
                    let polled = Polled { connection, data: false, both: false, is_over: false };
                    let key = connections.insert(polled);
                    connections[key].poll(DATA, key, &mut queue)?;
                    continue;
                }
                Event::Done { operation, key, result, flags } => (operation, key, result, flags),
            };
            let polled = &mut connections[key];
            *polled.held(operation) = cqueue::more(flags);
            // A poll that failed lets the calls find out why.
            let hung_up = result < 0 || result & HUNG_UP != 0;
            let is_wanted = polled.connection.is_blocked() || result & i32::from(libc::POLLIN) != 0;
            let goes_on = !polled.is_over && result != -libc::ECANCELED;
            if goes_on && (hung_up || is_wanted) {
                polled.go_on(key, hung_up, &mut queue, &mut buffers)?;
            }
            if polled.is_over && !polled.data && !polled.both {
                connections.remove(key);
            }
        }
    }
}

impl Polled {
    fn go_on(
        &mut self,
        key: usize,
        hung_up: bool,
        queue: &mut Queue<'_>,
        buffers: &mut Buffers,
    ) -> io::Result<()> {
        let next = self.connection.go_on(hung_up, buffers);
        if next == Next::End {
            self.is_over = true;
            let held = [(DATA, self.data), (BOTH, self.both)];
            let mut held = held.into_iter().filter(|(_, is_held)| *is_held);
            return held.try_for_each(|(operation, _)| queue.cancel(operation, key));
        }
        // The kernel may end a multishot poll for reasons of its own.
        if !self.data && !self.both {
            self.poll(DATA, key, queue)?;
        }
        // Held from now on: one that is asked for again each time makes streams dearer.
        if next == Next::Room && !self.both {
            self.poll(BOTH, key, queue)?;
            if self.data {
                queue.cancel(DATA, key)?;
            }
        }
        Ok(())
    }

    /// Whether the kernel holds one of its polls.
    fn held(&mut self, operation: u8) -> &mut bool {
        match operation {
            DATA => &mut self.data,
            _ => &mut self.both,
        }
    }

    fn poll(&mut self, operation: u8, key: usize, queue: &mut Queue<'_>) -> io::Result<()> {
        *self.held(operation) = true;
        queue.push(operation, key, poll(self.connection.as_fd().as_raw_fd(), operation))
    }
}

/// [`DATA`] or [`BOTH`].
pub(super) fn poll(fd: RawFd, operation: u8) -> Entry {
    let data = libc::POLLIN | libc::POLLRDHUP;
    let events = if operation == DATA { data } else { data | libc::POLLOUT };
    opcode::PollAdd::new(types::Fd(fd), events as u32).multi(true).build()
}
