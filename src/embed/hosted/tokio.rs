//! In a tokio program: our semantics on its reactor.
#![expect(unsafe_code, reason = "gives tokio descriptors to watch")]

use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use transport_core::error::driver_gone;
use transport_core::reactor::Registry;
use transport_core::{Closer, Interest, Reactor, SharedFd};

use crate::embed::hosted::source::{HostedSource, Watch};

/// The reactor of a tokio runtime: there is no second epoll, and no driver to turn.
///
/// Sockets may be used wherever tasks run, in the runtime or not; the runtime has to run
/// meanwhile. When it is shut down, listeners are closed and operations fail.
///
/// ```
/// use unix_transport::embed::hosted::tokio::TokioReactor;
/// use unix_transport::{Listener, PollRead, PollWrite, Readiness, Transport};
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #   let directory = tempfile::tempdir()?;
/// #   let path = directory.path().join("echo");
///     let transport = Readiness::new(TokioReactor::current());
///     let address = unix_transport::Address::path(path)?;
///     let mut listener = transport.listen(&address, &Default::default())?;
///     tokio::spawn(async move {
///         while let Ok((mut connection, _)) = listener.accept().await {
///             tokio::spawn(async move {
///                 while let Ok(bytes) = connection.recv().await && !bytes.is_empty() {
///                     let Ok(()) = connection.send_all(bytes).await else { return };
///                 }
///             });
///         }
///     });
///     let mut connection = transport.connect(&address, &Default::default()).await?;
///     connection.write_all(b"hello").await?;
///     assert_eq!(*connection.recv().await?, *b"hello");
///     Ok(())
/// }
/// ```
///
/// Making sockets panics in a runtime without I/O (`Builder::enable_io`), and waiting for a
/// deadline, a full backlog or spare descriptors in one without time (`Builder::enable_time`).
#[derive(Clone)]
pub struct TokioReactor {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Handle,
    /// Of listeners only; tokio knows the sources.
    registry: Arc<Registry<()>>,
    sentinel: AbortHandle,
}

impl TokioReactor {
    /// The reactor of `runtime`.
    #[must_use]
    pub fn new(runtime: Handle) -> TokioReactor {
        let registry = Arc::new(Registry::default());
        let end = End(Arc::clone(&registry));
        let sentinel = runtime.spawn(async move {
            let _end = end;
            pending::<()>().await;
        });
        let sentinel = sentinel.abort_handle();
        TokioReactor { shared: Arc::new(Shared { runtime, registry, sentinel }) }
    }

    /// The reactor of the runtime that this is called in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn current() -> TokioReactor {
        TokioReactor::new(Handle::current())
    }

    fn watch(&self, fd: SharedFd) -> io::Result<TokioWatch> {
        const EVENTS: tokio::io::Interest = tokio::io::Interest::READABLE
            .add(tokio::io::Interest::WRITABLE)
            .add(tokio::io::Interest::PRIORITY);
        if self.is_ended() {
            return Err(driver_gone());
        }
        let _entered = self.shared.runtime.enter();
        // SAFETY: the watch shares the descriptor, so it stays open; and only a listener's
        // descriptor is ever made to stand for something else, of which this is a duplicate.
        let fd = unsafe { AsyncFd::register_with_interest(fd, EVENTS) }?;
        Ok(TokioWatch {
            fd,
            read_untried: AtomicBool::new(true),
            write_untried: AtomicBool::new(true),
        })
    }
}

impl Reactor for TokioReactor {
    type Source = HostedSource<TokioWatch>;
    type Sleep = Sleep;

    fn register(&self, fd: SharedFd) -> io::Result<Self::Source> {
        HostedSource::connection(fd, |fd| self.watch(fd))
    }

    fn register_listener(&self, fd: SharedFd, _: bool) -> io::Result<Self::Source> {
        HostedSource::listener(fd, |fd| self.watch(fd))
    }

    fn sleep(&self, until: Instant) -> Sleep {
        let _entered = self.shared.runtime.enter();
        Sleep { task: self.shared.runtime.spawn(tokio::time::sleep_until(until.into())) }
    }

    fn is_ended(&self) -> bool {
        self.shared.registry.is_ended()
    }

    fn close_at_end(&self, closer: Closer) {
        self.shared.registry.close_at_end(closer);
    }
}

impl fmt::Debug for TokioReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioReactor")
            .field("runtime", &self.shared.runtime)
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.sentinel.abort();
    }
}

/// Held by a task that never ends, so that it is dropped when the runtime is shut down.
struct End(Arc<Registry<()>>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A descriptor in tokio's epoll, which is edge-triggered; tokio caches the readiness.
pub struct TokioWatch {
    fd: AsyncFd<SharedFd>,
    read_untried: AtomicBool,
    write_untried: AtomicBool,
}

impl Watch for TokioWatch {
    /// `None` if tokio does not know yet.
    type Ready<'a> = Option<AsyncFdReadyGuard<'a, SharedFd>>;

    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<io::Result<Self::Ready<'_>>> {
        let (polled, untried) = match interest {
            Interest::Read => (self.fd.poll_read_ready(cx), &self.read_untried),
            Interest::Write => (self.fd.poll_write_ready(cx), &self.write_untried),
        };
        match polled {
            Poll::Ready(Ok(ready)) => Poll::Ready(Ok(Some(ready))),
            // Tokio fails only when it is shut down.
            Poll::Ready(Err(_)) => Poll::Ready(Err(driver_gone())),
            Poll::Pending if untried.load(Ordering::Relaxed) => {
                untried.store(false, Ordering::Relaxed);
                Poll::Ready(Ok(None))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// What came meanwhile is kept, and so is the end of the stream.
    fn forget(&self, ready: Self::Ready<'_>, _: Interest) {
        if let Some(mut ready) = ready {
            ready.clear_ready();
        }
    }

    /// Not after an out-of-band byte, which tokio remembers, nor at the end of the stream.
    fn is_drained(&self) -> bool {
        self.fd.try_io(tokio::io::Interest::PRIORITY, |_| Ok(())).is_err()
    }
}

/// A timer of the runtime. When that is shut down, every timer is due.
#[derive(Debug)]
pub struct Sleep {
    /// (A sleep by itself panics when it is polled after the runtime's end.)
    task: JoinHandle<()>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.task).poll(cx).map(drop)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.task.abort();
    }
}
