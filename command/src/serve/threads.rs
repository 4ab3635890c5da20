//! Servers with a thread for each connection, on the synchronous face: one system call for each
//! read and each write.

use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use slab::Slab;
use unix_transport::blocking::{self, Connection, Listener};
use unix_transport::{Closer, is_closed, is_transient};

use super::Task;
use super::ledger::{Entry, Ledger, Totals};
use super::stop::{Signals, Stopping};
use crate::arguments::Service;
use crate::buffer::{self, Buffer};
use crate::failure::{Failure, Result, warn};

/// How much stack a thread has; its buffer is not on it.
const STACK: usize = 64 * 1024;

/// Serves until one of the `signals`, and answers the totals.
pub(super) fn serve(task: &Task, signals: Signals) -> Result<Totals> {
    let listener = blocking::listen(&task.address, &task.listening)?;
    let stopping = Stopping::default();
    let watched = signals.watch(stopping.clone(), listener.closer());
    watched.map_err(|failure| task.unable(failure))?;
    task.announce("blocking", "a thread for each connection")?;
    let ledger = Arc::<Ledger>::default();
    let open = Arc::<Open>::default();
    let accepted = accept_all(&listener, task, &stopping, |connection| {
        serve_connection(connection, task.service, ledger.open(), &open)
    });
    drop(listener);
    open.wait_until_empty(stopping.time_left());
    let before = ledger.totals();
    open.close_all();
    // Whoever still writes was woken by the close.
    open.wait_until_empty(Duration::from_secs(1));
    accepted.map(|()| ledger.totals().after_cut_off(before))
}

/// Accepts until the listener is closed, or drained.
fn accept_all(
    listener: &Listener,
    task: &Task,
    stopping: &Stopping,
    mut accepted: impl FnMut(Connection) -> io::Result<()>,
) -> Result<()> {
    let mut warned = false;
    loop {
        let served = listener.accept().and_then(|(connection, _)| accepted(connection));
        match served {
            Ok(()) => {}
            Err(error) if is_closed(&error) => return Ok(()),
            // Without a descriptor to spare, nobody can tell whether a client waits.
            Err(error) if is_transient(&error) && stopping.is_over() => return Ok(()),
            Err(error) if is_transient(&error) => {
                if !std::mem::replace(&mut warned, true) {
                    warn(task.waiting_for_room(&error));
                }
            }
            Err(error) => {
                return Err(Failure::new(format_args!("accept on {}", task.address), error));
            }
        }
    }
}

/// Starts the connection's thread.
fn serve_connection(
    connection: Connection,
    service: Service,
    mut entry: Entry,
    open: &Arc<Open>,
) -> io::Result<()> {
    let key = open.insert(connection.closer());
    let registry = Arc::clone(open);
    let run = move || {
        let served = match service {
            Service::Echo => echo(connection, &mut entry),
            Service::Sink => sink(connection, &mut entry),
        };
        if served.is_err() {
            entry.fail();
        }
        drop(entry);
        registry.remove(key);
    };
    let started = thread::Builder::new().stack_size(STACK).spawn(run);
    if started.is_err() {
        // The connection went with the closure.
        open.remove(key);
    }
    started.map(drop)
}

fn echo(mut connection: Connection, entry: &mut Entry) -> io::Result<()> {
    let mut buffer = Buffer::of(buffer::SIZE);
    loop {
        match connection.read(&mut buffer)? {
            0 => return Ok(()),
            received => {
                entry.received(received);
                connection.write_all(&buffer[..received])?;
            }
        }
    }
}

fn sink(mut connection: Connection, entry: &mut Entry) -> io::Result<()> {
    let mut buffer = Buffer::of(buffer::SIZE);
    loop {
        match connection.read(&mut buffer)? {
            0 => return connection.write_all(&entry.bytes().to_le_bytes()),
            received => entry.received(received),
        }
    }
}

/// The connections that are open, to wait for them and to close them.
#[derive(Debug, Default)]
struct Open {
    closers: Mutex<Slab<Closer>>,
    emptied: Condvar,
}

impl Open {
    fn insert(&self, closer: Closer) -> usize {
        self.lock().insert(closer)
    }

    fn remove(&self, key: usize) {
        let mut closers = self.lock();
        closers.remove(key);
        if closers.is_empty() {
            self.emptied.notify_all();
        }
    }

    fn wait_until_empty(&self, at_most: Duration) {
        let closers = self.lock();
        // Running out of time is no error: what is left is closed, or ends with the process.
        _ = self.emptied.wait_timeout_while(closers, at_most, |closers| !closers.is_empty());
    }

    fn close_all(&self) {
        for (_, closer) in &*self.lock() {
            closer.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Closer>> {
        // Nothing panics while it holds the lock.
        self.closers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
