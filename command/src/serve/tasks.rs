//! Servers with a task for each connection and a runtime for each thread: epoll and io_uring, and
//! any other backend.

use std::ops::Add as _;
use std::sync::Arc;
use std::thread;

use std::time::Duration;

use unix_transport::{
    AdoptOptions, Backend, BytePath, Connection, Listener, Runtime, Settings, Transport, is_closed,
    is_transient,
};

use super::ledger::{Entry, Ledger, Totals};
use super::stop::{Signals, Stopping};
use super::{Task, echo, sink};
use crate::arguments::Service;
use crate::failure::{Failure, Result, warn};
use crate::output::counted;

/// The listener of a backend.
type ListenerOf<B> = <<B as Backend>::Transport as Transport>::Listener;

/// Serves until one of the `signals`, and answers the totals.
pub(super) fn serve<B: Backend>(
    task: &Task,
    path: Option<BytePath>,
    signals: Signals,
) -> Result<Totals> {
    // The time for what is still being sent is over when the runtime is dropped.
    let mut settings = Settings::default();
    settings.linger = Duration::ZERO;
    settings.spin = task.spin;
    let open = || Runtime::<B>::new(&settings).map_err(|error| task.unable(error));
    let first = open()?;
    let path = path.unwrap_or_else(|| first.transport().cheaper_path());
    let listening = task.listening.clone().wake_one(task.threads > 1);
    let listener = first.transport().listen(&task.address, &listening)?;
    let mut workers = Vec::new();
    for _ in 1..task.threads {
        let runtime = open()?;
        let listener = runtime.transport().share_listener(&listener)?;
        workers.push(Worker { runtime, listener });
    }
    let closer = listener.closer();
    let stopping = Stopping::default();
    let received = first.transport().adopt_connection(signals.into_socket(), &AdoptOptions::new());
    let received = received.map_err(|error| task.unable(error))?;
    first.spawn(stopping.clone().on_signals(received, closer.clone())).detach();
    let own = Worker { runtime: first, listener };
    task.announce(B::NAME, counted(u64::from(task.threads), "thread"))?;
    thread::scope(|scope| {
        let mut running = Vec::new();
        for worker in workers {
            let (stopping, builder) = (stopping.clone(), thread::Builder::new());
            let started = builder.spawn_scoped(scope, move || worker.run(task, path, &stopping));
            running.push(started.map_err(|error| {
                // The scope waits for those that run.
                closer.close();
                Failure::new("start a thread", error)
            })?);
        }
        let mut totals = vec![own.run(task, path, &stopping)?];
        for thread in running {
            let panicked = |_| Failure::new("serve", "a thread panicked");
            totals.push(thread.join().map_err(panicked)??);
        }
        if totals.len() > 1 {
            super::report_shares(&totals)?;
        }
        Ok(totals.into_iter().fold(Totals::default(), Totals::add))
    })
}

/// One thread's runtime and its handle of the listener.
struct Worker<B: Backend> {
    runtime: Runtime<B>,
    listener: ListenerOf<B>,
}

impl<B: Backend> Worker<B> {
    fn run(self, task: &Task, path: BytePath, stopping: &Stopping) -> Result<Totals> {
        let Worker { mut runtime, mut listener } = self;
        let ledger = Arc::<Ledger>::default();
        let handle = runtime.handle();
        let before = runtime.block_on(async {
            let accepted = accept_all(&mut listener, task, stopping, |connection| {
                let entry = ledger.open();
                handle.spawn(serve_connection(connection, task.service, path, entry)).detach();
            });
            let accepted = accepted.await;
            // Whoever failed stops the other threads, too.
            listener.closer().drain();
            drop(listener);
            // Running out of time is no error: what is left is cut off.
            _ = handle.timeout(stopping.time_left(), ledger.emptied()).await;
            accepted.map(|()| ledger.totals())
        });
        drop(runtime);
        before.map(|before| ledger.totals().after_cut_off(before))
    }
}

/// Accepts until the listener is closed, or drained.
async fn accept_all<L: Listener>(
    listener: &mut L,
    task: &Task,
    stopping: &Stopping,
    mut accepted: impl FnMut(L::Connection),
) -> Result<()> {
    let mut warned = false;
    loop {
        match listener.accept().await {
            Ok((connection, _)) => accepted(connection),
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

/// The task of one connection.
#[expect(clippy::manual_async_fn, reason = "an `async fn` holds its arguments twice")]
fn serve_connection(
    mut connection: impl Connection,
    service: Service,
    path: BytePath,
    mut entry: Entry,
) -> impl Future<Output = ()> + Send {
    async move {
        let served = match (service, path) {
            (Service::Echo, BytePath::Owned) => echo::owned(&mut connection, &mut entry).await,
            (Service::Echo, BytePath::Borrowed) => {
                echo::borrowed(&mut connection, &mut entry).await
            }
            (Service::Sink, BytePath::Owned) => sink::owned(&mut connection, &mut entry).await,
            (Service::Sink, BytePath::Borrowed) => {
                sink::borrowed(&mut connection, &mut entry).await
            }
        };
        if served.is_err() {
            entry.fail();
        }
    }
}
