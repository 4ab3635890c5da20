//! An epoll loop: edge-triggered, a short receive taken as drained.
//!
//! Room is watched only from a connection's first blocked send on: every message that a peer takes
//! is an edge of EPOLLOUT, which would wake the loop for nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use command::arguments::Service;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use slab::Slab;

use super::ready::{Buffers, Connection, Next};
use super::{accept, listener};

/// How many events are taken at once. From 16 to 1,024 it makes no difference.
pub(super) const EVENTS: usize = 256;

/// The listener's token; connections have their slab's keys.
pub(super) const LISTENER: u64 = u64::MAX;

pub(super) const DATA: EpollFlags =
    EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP).union(EpollFlags::EPOLLET);
const HUNG_UP: EpollFlags =
    EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP).union(EpollFlags::EPOLLERR);

/// A connection, and whether its room is watched.
struct Watched {
    connection: Connection,
    room: bool,
}

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = listener(path)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    listens();
    let mut connections = Slab::new();
    let mut buffers = Buffers::new();
    let mut events = vec![EpollEvent::empty(); EVENTS];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            count => count?,
        };
        for event in &events[..count] {
            if event.data() == LISTENER {
                accept_all(&listener, service, &epoll, &mut connections)?;
                continue;
            }
            // Lossless: it came from a `usize`.
            let key = event.data() as usize;
            let Watched { connection, room } = &mut connections[key];
            let hung_up = event.events().intersects(HUNG_UP);
            if !connection.is_blocked() && !hung_up && !event.events().contains(EpollFlags::EPOLLIN)
            {
                // Room that nobody waits for: a receive would find nothing.
                continue;
            }
            match connection.go_on(hung_up, &mut buffers) {
                Next::Room if !*room => {
                    *room = true;
                    let event = EpollEvent::new(DATA | EpollFlags::EPOLLOUT, key as u64);
                    // An edge comes at once if there is room by now.
                    epoll.modify(&*connection, &mut { event })?;
                }
                Next::Data | Next::Room => {}
                Next::End => drop(connections.remove(key)),
            }
        }
    }
}

/// Accepts everyone who waits.
fn accept_all(
    listener: &OwnedFd,
    service: Service,
    epoll: &Epoll,
    connections: &mut Slab<Watched>,
) -> io::Result<()> {
    while let Some(fd) = accept(listener)? {
        let entry = connections.vacant_entry();
        epoll.add(&fd, EpollEvent::new(DATA, entry.key() as u64))?;
        entry.insert(Watched { connection: Connection::new(fd, service), room: false });
    }
    Ok(())
}
