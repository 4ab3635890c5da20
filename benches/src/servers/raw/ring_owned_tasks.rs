//! The [ring loop on which everything completes](super::ring_owned()) with [tasks]: one hears that
//! something of its connection is over, and lets it go on.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use command::arguments::Service;

use super::buffers::Buffers;
use super::listener;
use super::queue::{Event, Queue};
use super::ring_owned::Server;
use super::tasks::{self, Readiness};

thread_local! {
    /// The keys of the connections that go on, by what their tasks say.
    static GO_ON: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// What a task is told: there is something new, or its connection is no more.
const NEWS: u32 = 1;
const OVER: u32 = 2;

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    if service == Service::Sink {
        return Err(io::Error::other("it only echoes"));
    }
    let listener = listener(path)?;
    let queue = Queue::new(listener.as_fd())?;
    let buffers = Buffers::new(&queue)?;
    let mut server = Server::new(queue, buffers, false);
    listens();
    // By the keys of the connections: a new one is that of one who is no more, or the next.
    let mut told: Vec<Arc<Readiness>> = Vec::new();
    let mut going = Vec::new();
    loop {
        server.wait()?;
        while let Some(event) = server.queue.next()? {
            let key = match event {
                Event::Accepted(fd) => {
                    let key = server.accepted(fd);
                    let notice = start(key);
                    match told.get_mut(key) {
                        Some(former) => *former = notice,
                        None => told.push(notice),
                    }
                    key
                }
                Event::Done { operation, key, result, flags } => {
                    server.completed(operation, key, result, flags);
                    key
                }
            };
            told[key].note(NEWS);
        }
        while let Some(key) = server.next_sent() {
            told[key].note(NEWS);
        }
        server.fed().into_iter().for_each(|key| told[key].note(NEWS));
        // Each asks the loop, which does not need their keys.
        tasks::run_woken();
        GO_ON.with_borrow_mut(|asked| std::mem::swap(asked, &mut going));
        for key in going.drain(..) {
            if !server.go_on(key)? {
                told[key].note(OVER);
            }
        }
    }
}

/// Starts the task of the connection `key`.
fn start(key: usize) -> Arc<Readiness> {
    let notice = Arc::<Readiness>::default();
    let told = Arc::clone(&notice);
    tasks::spawn(key, poll_fn(move |cx| poll(key, &told, cx)));
    notice
}

fn poll(key: usize, told: &Readiness, cx: &Context<'_>) -> Poll<()> {
    loop {
        if ready!(told.poll_next(cx)) & OVER != 0 {
            return Poll::Ready(());
        }
        GO_ON.with_borrow_mut(|asked| asked.push(key));
    }
}
