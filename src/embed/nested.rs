//! A driver nested in tokio: one descriptor to wait for, whatever the backend.
#![expect(unsafe_code, reason = "gives tokio a descriptor to watch")]

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;
use tokio::time::timeout_at;
use transport_core::error::unsupported;
use transport_core::{Driver, Prepared};

/// A driver that sleeps in tokio's reactor, as one descriptor there, instead of in the kernel by
/// itself. It moves while [`run`](Self::run) is polled; when its host stops polling, operations
/// wait until it goes on.
///
/// The futures here are not `Send`, because a driver stays on the thread of its first turn, where
/// it also has to be dropped (io_uring): tasks may be anywhere, but this one does not move among
/// threads. So poll it in the future that the main thread blocks on, which `#[tokio::main]`'s is,
/// or in a `LocalSet`:
///
/// ```
/// use unix_transport::embed::nested::Nested;
/// use unix_transport::{Backend, Epoll, PollRead, PollWrite, Transport};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut builder = tokio::runtime::Builder::new_multi_thread();
/// # let runtime = builder.worker_threads(2).enable_all().build()?;
/// runtime.block_on(async {
///     let (transport, driver) = Epoll::open(&Default::default())?;
///     let echoed = tokio::spawn(async move {
///         let (mut one, mut other) = transport.pair(&Default::default())?;
///         one.write_all(b"hello").await?;
///         other.recv().await
///     });
///     tokio::select! {
///         echoed = echoed => assert_eq!(*echoed??, *b"hello"),
///         ended = Nested::new(driver)?.run() => match ended? {},
///     }
///     Ok(())
/// })
/// # }
/// ```
///
/// Dropping this, or the future of [`run`](Self::run), drops the driver: it closes the listeners,
/// and what waits fails.
pub struct Nested<D> {
    fd: AsyncFd<OwnedFd>,
    driver: D,
}

/// Makes a future that holds it stay on one thread.
struct OneThread(PhantomData<*const ()>);

impl<D: Driver> Nested<D> {
    /// Nests `driver` in the tokio runtime that this is called in.
    ///
    /// # Errors
    /// `Unsupported` if the driver has no descriptor to wait for, as the blocking backend's: give
    /// it [a thread of its own](crate::embed::thread::DriverThread). EMFILE, and what tokio says
    /// when it can't watch a descriptor.
    ///
    /// # Panics
    /// Outside a tokio runtime, or in one without I/O (`Builder::enable_io`).
    pub fn new(driver: D) -> io::Result<Nested<D>> {
        let Some(fd) = driver.wait_fd() else {
            return Err(unsupported(
                "the driver has no descriptor to wait for: it can't be nested",
            ));
        };
        let fd = fd.try_clone_to_owned()?;
        // SAFETY: the duplicate is tokio's alone, so it stays open and the same until tokio has
        // forgotten it.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        Ok(Nested { fd, driver })
    }

    /// Moves the driver until it fails. It can't be a task that changes threads:
    ///
    /// ```compile_fail,E0277
    /// # use unix_transport::{Driver, embed::nested::Nested};
    /// # fn spawn(nested: Nested<impl Driver + Sync + 'static>) {
    /// tokio::spawn(nested.run());
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`turn`](Self::turn); the driver is gone then.
    ///
    /// # Panics
    /// As [`turn`](Self::turn).
    pub async fn run(mut self) -> io::Result<Infallible> {
        loop {
            self.turn().await?;
            // Lets the tasks that were woken queue what they want, so that it is submitted before
            // the next sleep, and need not end it.
            yield_now().await;
        }
    }

    /// One turn: prepare, sleep in tokio, dispatch. Answers how many events there were. May be
    /// dropped at any point.
    ///
    /// # Errors
    /// Those of [`Driver::prepare`], and tokio's own when its runtime is shut down.
    ///
    /// # Panics
    /// If a deadline is waited for in a tokio runtime without time (`Builder::enable_time`).
    pub async fn turn(&mut self) -> io::Result<usize> {
        if let Prepared::SleepUntil(until) = self.driver.prepare()? {
            self.sleep(until, OneThread(PhantomData)).await?;
        }
        self.driver.dispatch()
    }

    async fn sleep(&self, until: Option<Instant>, _: OneThread) -> io::Result<()> {
        let readable = self.fd.readable();
        let mut guard = match until {
            None => readable.await?,
            Some(until) => match timeout_at(until.into(), readable).await {
                Ok(guard) => guard?,
                Err(_) => return Ok(()),
            },
        };
        // Before dispatching, so that what comes meanwhile is told again. What is left is no loss:
        // `prepare` says whether there is more.
        guard.clear_ready();
        Ok(())
    }
}

impl<D> fmt::Debug for Nested<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nested").field("fd", &self.fd).finish_non_exhaustive()
    }
}
