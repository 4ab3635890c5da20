//! An echo server as an event loop over mio: no tasks, one buffer for all connections, and each
//! read and written until it would block, as mio's documentation asks for.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Registry, Token};
use peer_harness::{Buffer, Task};
use slab::Slab;

/// The listener's token; connections have their slab's keys.
const LISTENER: Token = Token(usize::MAX);

/// How many events are taken at once: what mio's examples use, or more.
const EVENTS: usize = 1024;

struct Connection {
    stream: UnixStream,
    /// What was read and did not fit into the socket.
    unwritten: Vec<u8>,
}

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("mio"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    let mut poll = Poll::new()?;
    let mut listener = UnixListener::bind(task.path())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    task.listens();
    let mut events = Events::with_capacity(EVENTS);
    let mut connections = Slab::new();
    let mut buffer = Buffer::zeroed();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, poll.registry(), &mut connections)?;
                continue;
            }
            let Token(key) = event.token();
            // An error ends its connection alone; its peer notices.
            if !connections[key].echo(&mut buffer).unwrap_or(false) {
                connections.remove(key);
            }
        }
    }
}

fn accept(
    listener: &UnixListener,
    registry: &Registry,
    connections: &mut Slab<Connection>,
) -> io::Result<()> {
    while let Some((mut stream, _)) = unless_blocked(|| listener.accept())? {
        let entry = connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, Token(entry.key()), interest)?;
        entry.insert(Connection { stream, unwritten: Vec::new() });
    }
    Ok(())
}

impl Connection {
    /// Does what can be done now; `false` at the end of the stream.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            while !self.unwritten.is_empty() {
                let written = unless_blocked(|| self.stream.write(&self.unwritten))?;
                let Some(written) = written else { return Ok(true) };
                self.unwritten.drain(..written);
            }
            let received = unless_blocked(|| self.stream.read(buffer))?;
            let Some(received) = received else { return Ok(true) };
            if received == 0 {
                return Ok(false);
            }
            let received = &buffer[..received];
            let written = unless_blocked(|| self.stream.write(received))?.unwrap_or(0);
            self.unwritten.extend_from_slice(&received[written..]);
        }
    }
}

/// Tries, and again if a signal came in between; `None` if it would block.
fn unless_blocked<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            done => return done.map(Some),
        }
    }
}
