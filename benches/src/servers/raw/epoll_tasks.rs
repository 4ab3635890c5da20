//! The [epoll loop](super::epoll()) with [tasks], and the same calls.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use command::arguments::Service;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use slab::Slab;

use super::epoll::{DATA, EVENTS, LISTENER};
use super::ready::Connection;
use super::tasks::{self, Readiness};
use super::{accept, listener};

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = listener(path)?;
    let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    listens();
    let mut connections: Slab<Arc<Readiness>> = Slab::new();
    let mut events = vec![EpollEvent::empty(); EVENTS];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            count => count?,
        };
        for event in &events[..count] {
            if event.data() == LISTENER {
                accept_all(&listener, service, &epoll, &mut connections)?;
            } else if let Some(readiness) = connections.get(event.data() as usize) {
                readiness.note(event.events().bits().cast_unsigned());
            }
        }
        for key in tasks::run_woken() {
            connections.remove(key);
        }
    }
}

/// Accepts everyone who waits, and starts their tasks.
fn accept_all(
    listener: &OwnedFd,
    service: Service,
    epoll: &Arc<Epoll>,
    connections: &mut Slab<Arc<Readiness>>,
) -> io::Result<()> {
    while let Some(fd) = accept(listener)? {
        let entry = connections.vacant_entry();
        let key = entry.key();
        epoll.add(&fd, EpollEvent::new(DATA, key as u64))?;
        let epoll = Arc::clone(epoll);
        let watch_room = move |connection: &Connection| {
            let event = EpollEvent::new(DATA | EpollFlags::EPOLLOUT, key as u64);
            epoll.modify(connection, &mut { event }).is_ok()
        };
        entry.insert(tasks::start(key, Connection::new(fd, service), watch_room));
    }
    Ok(())
}
