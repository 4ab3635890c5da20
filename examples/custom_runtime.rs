//! An executor of one's own, over any backend: tasks, a run queue and deadlines, made of nothing
//! but `Backend`, `Driver` and the standard library.
//!
//! `cargo run --example custom_runtime -- uring`; also `blocking`, `epoll`, and without a name
//! `auto`. Its tasks are a server and three clients; it ends with the clients.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::mem::take;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use unix_transport::{
    Address, Auto, Backend, Blocking, Connection, Driver, Epoll, Listener, Settings, Transport,
    Unparker, Uring,
};

/// What tasks share with the loop that runs them.
struct Executor {
    woken: Mutex<VecDeque<Arc<Task>>>,
    /// Its own; those of connections and listeners are the driver's.
    deadlines: Mutex<BTreeMap<Instant, Vec<Waker>>>,
    unparker: Unparker,
}

/// A future, until it is done.
struct Task {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    executor: Arc<Executor>,
}

impl Wake for Task {
    /// On any thread. Queues the task before it unparks, so that the loop finds it.
    fn wake(self: Arc<Self>) {
        let executor = Arc::clone(&self.executor);
        lock(&executor.woken).push_back(self);
        executor.unparker.unpark();
    }
}

impl Executor {
    fn new(driver: &impl Driver) -> Arc<Executor> {
        let unparker = driver.unparker();
        Arc::new(Executor { woken: Mutex::default(), deadlines: Mutex::default(), unparker })
    }

    fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let future = Mutex::new(Some(Box::pin(future) as _));
        Arc::new(Task { future, executor: Arc::clone(self) }).wake();
    }

    /// Ready after this time.
    fn sleep(self: &Arc<Self>, time: Duration) -> impl Future<Output = ()> + use<> {
        let (executor, until) = (Arc::clone(self), Instant::now() + time);
        poll_fn(move |cx| {
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            let mut deadlines = lock(&executor.deadlines);
            let wakers = deadlines.entry(until).or_default();
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Runs all tasks on this thread until `future` is done.
    fn block_on<T: Send + 'static>(
        self: &Arc<Self>,
        driver: &mut impl Driver,
        future: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let output = Arc::new(Mutex::new(None));
        let result = Arc::clone(&output);
        self.spawn(async move {
            let output = future.await;
            *lock(&result) = Some(output);
        });
        loop {
            let batch = take(&mut *lock(&self.woken));
            let is_idle = batch.is_empty();
            for task in batch {
                let mut future = lock(&task.future);
                let waker = Waker::from(Arc::clone(&task));
                let poll =
                    future.as_mut().map(|it| it.as_mut().poll(&mut Context::from_waker(&waker)));
                if poll.is_some_and(|poll| poll.is_ready()) {
                    *future = None;
                }
            }
            if let Some(output) = lock(&output).take() {
                return Ok(output);
            }
            // What wakes from here on unparks the driver, which then does not sleep.
            let next = self.fire().map(|next| next.saturating_duration_since(Instant::now()));
            driver.turn(if is_idle { next } else { Some(Duration::ZERO) })?;
        }
    }

    /// Wakes the tasks whose deadlines have passed; answers the next one.
    fn fire(&self) -> Option<Instant> {
        let mut deadlines = lock(&self.deadlines);
        while let Some(first) = deadlines.first_entry() {
            if *first.key() > Instant::now() {
                return Some(*first.key());
            }
            first.remove().into_iter().for_each(Waker::wake);
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn echo(mut connection: impl Connection) -> io::Result<()> {
    loop {
        let bytes = connection.recv().await?;
        if bytes.is_empty() {
            return Ok(());
        }
        connection.send_all(bytes).await?;
    }
}

async fn talk(mut connection: impl Connection, number: usize) -> io::Result<()> {
    let text = format!("hello from client {number}");
    connection.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    connection.read_exact(&mut answer).await?;
    println!("{}", answer.escape_ascii());
    Ok(())
}

fn run<B: Backend>() -> Result<(), Box<dyn Error>> {
    let (transport, mut driver) = B::open(&Settings::default())?;
    println!("backend: {}", B::NAME);
    let directory = tempfile::tempdir()?;
    let at = Address::path(directory.path().join("socket"))?;
    let mut listener = transport.listen(&at, &Default::default())?;

    let executor = Executor::new(&driver);
    let server = Arc::clone(&executor);
    executor.spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            server.spawn(async { echo(connection).await.expect("the clients read on") });
        }
    });
    let clock = Arc::clone(&executor);
    let clients = async move {
        for number in 1..=3 {
            talk(transport.connect(&at, &Default::default()).await?, number).await?;
            clock.sleep(Duration::from_millis(5)).await;
        }
        Ok::<_, io::Error>(())
    };
    Ok(executor.block_on(&mut driver, clients)??)
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("blocking") => run::<Blocking>(),
        Some("epoll") => run::<Epoll>(),
        Some("uring") => run::<Uring>(),
        None | Some("auto") => run::<Auto>(),
        Some(name) => Err(format!("there is no backend called {name}").into()),
    }
}
