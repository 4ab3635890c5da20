//! The [ring loop of multishot polls](super::ring_borrowed()) with [tasks], and the same
//! calls.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::path::Path;
use std::sync::Arc;

use command::arguments::Service;
use io_uring::cqueue;
use slab::Slab;

use super::listener;
use super::queue::{Event, Queue};
use super::ready::Connection;
use super::ring_borrowed::{BOTH, DATA, poll};
use super::tasks::{self, Readiness};

thread_local! {
    /// The keys of the connections whose tasks need room for the first time.
    static NEED_ROOM: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// What the loop has of a connection: which polls the kernel holds for it. It is removed when the task
/// has ended and there are none; until then its key must not be another's.
struct Polled {
    readiness: Arc<Readiness>,
    /// The task's. It closes a moment before the loop hears of the task's end; what names it until then
    /// is submitted before anything else is opened, and fails.
    fd: RawFd,
    data: bool,
    both: bool,
    is_over: bool,
}

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = listener(path)?;
    let mut queue = Queue::new(listener.as_fd())?;
    listens();
    let mut connections: Slab<Polled> = Slab::new();
    loop {
        queue.wait()?;
        while let Some(event) = queue.next()? {
            let (operation, key, result, flags) = match event {
                Event::Accepted(fd) => {
                    let (entry, fd) = (connections.vacant_entry(), fd);
                    let (key, number) = (entry.key(), fd.as_raw_fd());
                    let watch_room = move |_: &Connection| {
                        NEED_ROOM.with_borrow_mut(|keys| keys.push(key));
                        true
                    };
                    let readiness = tasks::start(key, Connection::new(fd, service), watch_room);
                    let (data, both, is_over) = (false, false, false);
                    let polled = Polled { readiness, fd: number, data, both, is_over };
                    entry.insert(polled).poll(DATA, key, &mut queue)?;
                    continue;
                }
                Event::Done { operation, key, result, flags } => (operation, key, result, flags),
            };
            let polled = &mut connections[key];
            *polled.held(operation) = cqueue::more(flags);
            if polled.is_over {
                if !polled.data && !polled.both {
                    connections.remove(key);
                }
            } else if result != -libc::ECANCELED {
                // A poll that failed lets the calls find out why.
                let failed = libc::POLLERR as u32;
                polled.readiness.note(u32::try_from(result).unwrap_or(failed));
                // The kernel may end a multishot poll for reasons of its own.
                if !cqueue::more(flags) && result >= 0 {
                    polled.poll(operation, key, &mut queue)?;
                }
            }
        }
        for key in tasks::run_woken() {
            let polled = &mut connections[key];
            polled.is_over = true;
            for operation in [DATA, BOTH] {
                if *polled.held(operation) {
                    queue.cancel(operation, key)?;
                }
            }
            if !polled.data && !polled.both {
                connections.remove(key);
            }
        }
        for key in NEED_ROOM.take() {
            if let Some(polled) = connections.get_mut(key).filter(|polled| !polled.is_over) {
                polled.poll(BOTH, key, &mut queue)?;
                if polled.data {
                    queue.cancel(DATA, key)?;
                }
            }
        }
    }
}

impl Polled {
    /// Whether the kernel holds one of its polls.
    fn held(&mut self, operation: u8) -> &mut bool {
        match operation {
            DATA => &mut self.data,
            _ => &mut self.both,
        }
    }

    fn poll(&mut self, operation: u8, key: usize, queue: &mut Queue<'_>) -> io::Result<()> {
        *self.held(operation) = true;
        queue.push(operation, key, poll(self.fd, operation))
    }
}
