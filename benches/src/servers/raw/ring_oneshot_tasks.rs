//! The [ring loop of one-shot operations](super::ring()) with [tasks]: each awaits its receives and
//! its sends.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use command::arguments::Service;
use io_uring::squeue::Entry;
use slab::Slab;

use super::queue::{Event, OWN, Queue};
use super::ring::Connection;
use super::{listener, tasks};

thread_local! {
    /// What the tasks asked for since the loop last looked, by their keys.
    static ASKED: RefCell<Vec<(usize, Entry)>> = const { RefCell::new(Vec::new()) };
}

/// What the loop tells a task.
struct Completion {
    /// A count, or a negated errno; [`PENDING`] until then.
    result: AtomicI32,
    waker: AtomicWaker,
}

const PENDING: i32 = i32::MIN;

impl Completion {
    fn poll_take(&self, cx: &Context<'_>) -> Poll<i32> {
        self.waker.register(cx.waker());
        match self.result.swap(PENDING, Ordering::Acquire) {
            PENDING => Poll::Pending,
            result => Poll::Ready(result),
        }
    }
}

/// Listens at `path`, says so, and serves for ever.
pub(in super::super) fn serve(path: &Path, service: Service, listens: &dyn Fn()) -> io::Result<()> {
    let listener = listener(path)?;
    let mut queue = Queue::new(listener.as_fd())?;
    listens();
    let mut connections: Slab<Arc<Completion>> = Slab::new();
    loop {
        queue.wait()?;
        while let Some(event) = queue.next()? {
            match event {
                Event::Accepted(fd) => {
                    let entry = connections.vacant_entry();
                    let (result, waker) = (AtomicI32::new(PENDING), AtomicWaker::new());
                    let completion = Arc::new(Completion { result, waker });
                    let told = Arc::clone(&completion);
                    let (key, connection) = (entry.key(), Connection::new(fd, service));
                    tasks::spawn(key, async move { run(key, connection, &told).await });
                    entry.insert(completion);
                }
                Event::Done { key, result, .. } => {
                    let completion = &connections[key];
                    completion.result.store(result, Ordering::Release);
                    completion.waker.wake();
                }
            }
        }
        for key in tasks::run_woken() {
            connections.remove(key);
        }
        ASKED.with_borrow_mut(|asked| {
            asked.drain(..).try_for_each(|(key, entry)| queue.push(OWN, key, entry))
        })?;
    }
}

/// Serves until the stream ends. Nothing ends the task while an operation is under way.
async fn run(key: usize, mut connection: Connection, told: &Completion) {
    let mut next = Some(connection.next());
    while let Some(entry) = next {
        ASKED.with_borrow_mut(|asked| asked.push((key, entry)));
        next = connection.go_on(poll_fn(|cx| told.poll_take(cx)).await);
    }
}
