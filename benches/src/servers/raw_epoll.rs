//! An echo server as a plain epoll loop: edge-triggered, a short read taken as drained, one buffer
//! for all. What tasks and traits cost is the distance to this.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use slab::Slab;

/// How much is read at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// How many events are taken at once.
const EVENTS: usize = 256;

/// The listener's token; connections have their slab's keys.
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: UnixStream,
    /// What was read and did not fit into the socket.
    unwritten: Vec<u8>,
}

/// Listens at `path`, says so, and serves for ever.
pub(super) fn serve(path: &Path, listens: &dyn Fn()) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    listens();
    let mut connections = Slab::new();
    let mut events = vec![EpollEvent::empty(); EVENTS];
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            count => count?,
        };
        for event in &events[..count] {
            if event.data() == LISTENER {
                accept(&listener, &epoll, &mut connections)?;
                continue;
            }
            // Lossless: it came from a `usize`.
            let key = event.data() as usize;
            // An error ends its connection alone; the generator notices.
            if !connections[key].echo(event.events(), &mut buffer).unwrap_or(false) {
                connections.remove(key);
            }
        }
    }
}

fn accept(
    listener: &UnixListener,
    epoll: &Epoll,
    connections: &mut Slab<Connection>,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        let entry = connections.vacant_entry();
        let interest = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        epoll.add(&stream, EpollEvent::new(interest, entry.key() as u64))?;
        entry.insert(Connection { stream, unwritten: Vec::new() });
    }
}

impl Connection {
    /// Does what can be done now; `false` at the end of the stream.
    fn echo(&mut self, events: EpollFlags, buffer: &mut [u8]) -> io::Result<bool> {
        let hung_up =
            events.intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        loop {
            if !self.unwritten.is_empty() {
                let Some(written) = unless_blocked(self.stream.write(&self.unwritten))? else {
                    return Ok(true);
                };
                self.unwritten.drain(..written);
                continue;
            }
            let Some(received) = unless_blocked(self.stream.read(buffer))? else { return Ok(true) };
            if received == 0 {
                return Ok(false);
            }
            let written = unless_blocked(self.stream.write(&buffer[..received]))?.unwrap_or(0);
            self.unwritten.extend_from_slice(&buffer[written..received]);
            // An end of stream that came with the data gives no further event.
            if received < buffer.len() && self.unwritten.is_empty() && !hung_up {
                return Ok(true);
            }
        }
    }
}

fn unless_blocked(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        done => done.map(Some),
    }
}
