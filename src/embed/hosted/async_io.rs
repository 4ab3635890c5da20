//! Our semantics on the reactor of `async-io`, which smol uses.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::{Async, Timer};
use transport_core::{Interest, Reactor, SharedFd};

use crate::embed::hosted::source::{HostedSource, Watch};

/// The reactor of `async-io`: one for the whole process, which never ends. So no driver has to be
/// turned, and listeners and connections end with their handles alone.
///
/// ```
/// use unix_transport::embed::hosted::async_io::AsyncIoReactor;
/// use unix_transport::{Listener, PollRead, PollWrite, Readiness, Transport};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("echo");
/// smol::block_on(async {
///     let transport = Readiness::new(AsyncIoReactor);
///     let address = unix_transport::Address::path(path)?;
///     let mut listener = transport.listen(&address, &Default::default())?;
///     let echo = smol::spawn(async move {
///         let (mut connection, _) = listener.accept().await?;
///         let bytes = connection.recv().await?;
///         connection.send_all(bytes).await
///     });
///     let mut connection = transport.connect(&address, &Default::default()).await?;
///     connection.write_all(b"hello").await?;
///     assert_eq!(*connection.recv().await?, *b"hello");
///     Ok(echo.await?)
/// })
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncIoReactor;

impl Reactor for AsyncIoReactor {
    type Source = HostedSource<AsyncIoWatch>;
    type Sleep = Sleep;

    fn register(&self, fd: SharedFd) -> io::Result<Self::Source> {
        HostedSource::connection(fd, AsyncIoWatch::new)
    }

    fn register_listener(&self, fd: SharedFd, _: bool) -> io::Result<Self::Source> {
        HostedSource::listener(fd, AsyncIoWatch::new)
    }

    fn sleep(&self, until: Instant) -> Sleep {
        Sleep { timer: Timer::at(until) }
    }
}

/// A descriptor in `async-io`'s epoll, which tells once of what is asked for, and has to be asked
/// for each wait. So nothing can be missed: neither an end nor what follows an out-of-band byte.
pub struct AsyncIoWatch {
    fd: Async<SharedFd>,
    /// Whether to try, and not to ask. So it is after each answer, and after each wait, too: asked
    /// again, `async-io` doesn't take the wake-up for an answer if its reactor was waiting already
    /// when the wait began, and so on as long as another thread is the faster to wait again.
    read_untried: AtomicBool,
    write_untried: AtomicBool,
}

impl AsyncIoWatch {
    fn new(fd: SharedFd) -> io::Result<AsyncIoWatch> {
        let fd = Async::new_nonblocking(fd)?;
        Ok(AsyncIoWatch {
            fd,
            read_untried: AtomicBool::new(true),
            write_untried: AtomicBool::new(true),
        })
    }

    fn is_untried(&self, interest: Interest) -> &AtomicBool {
        match interest {
            Interest::Read => &self.read_untried,
            Interest::Write => &self.write_untried,
        }
    }
}

impl Watch for AsyncIoWatch {
    type Ready<'a> = ();

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        if self.is_untried(interest).swap(true, Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        match interest {
            Interest::Read => self.fd.poll_readable(cx),
            Interest::Write => self.fd.poll_writable(cx),
        }
    }

    fn forget(&self, (): (), interest: Interest) {
        self.is_untried(interest).store(false, Ordering::Relaxed);
    }

    fn is_drained(&self) -> bool {
        true
    }
}

/// A timer of `async-io`.
#[derive(Debug)]
pub struct Sleep {
    timer: Timer,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.timer).poll(cx).map(drop)
    }
}
