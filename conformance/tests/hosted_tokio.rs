//! The suite against sockets on the reactor of a tokio runtime, whose one thread is the test's.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use conformance::{Capabilities, Fixture};
use futures_lite::future;
use nix::unistd;
use tokio::runtime::{self, Runtime};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout;
use transport_core::unparker::Parker;
use transport_core::{
    Availability, Backend, Cause, Driver, Error, Interest, Progress, Reactor, Readiness, Result,
    Settings, SharedFd, Source as _, Timers, Unparker,
};
use unix_transport::embed::hosted::tokio::TokioReactor;

struct Hosted;

impl Fixture for Hosted {
    const NAME: &'static str = "hosted-tokio";
    type Backend = HostedTokio;

    fn capabilities() -> Capabilities {
        // The host is the loop, so there is nothing to nest.
        Capabilities::all().without(Capabilities::NESTED | Capabilities::OWNED_BY_COMPLETION)
    }
}

struct HostedTokio;

impl Backend for HostedTokio {
    const NAME: &'static str = "hosted-tokio";
    type Transport = Readiness<TokioReactor>;
    type Driver = TokioDriver;

    fn probe() -> Availability {
        Availability::Yes(String::new())
    }

    fn open(_: &Settings) -> Result<(Readiness<TokioReactor>, TokioDriver)> {
        TokioDriver::new().map_err(|error| Error::new("open tokio", None, Cause::from(error)))
    }
}

/// A turn is one sleep of the runtime.
struct TokioDriver {
    runtime: Runtime,
    /// Told when the runtime has slept.
    slept: Arc<Notify>,
    parker: Arc<Parker>,
    /// The parker's descriptor: unparking ends the turn.
    event: <TokioReactor as Reactor>::Source,
    timers: Timers,
}

impl TokioDriver {
    fn new() -> io::Result<(Readiness<TokioReactor>, TokioDriver)> {
        let slept = Arc::<Notify>::default();
        let mut builder = runtime::Builder::new_current_thread();
        builder.enable_all().on_thread_unpark({
            let slept = Arc::clone(&slept);
            move || slept.notify_one()
        });
        let runtime = builder.build()?;
        let reactor = TokioReactor::new(runtime.handle().clone());
        let parker = Parker::new()?;
        let event = reactor.register(SharedFd::new(parker.as_fd().try_clone_to_owned()?))?;
        let timers = Timers::new(parker.unparker());
        Ok((Readiness::new(reactor), TokioDriver { runtime, slept, parker, event, timers }))
    }
}

impl Driver for TokioDriver {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        let limit = self.parker.wait_limit(at_most, &self.timers);
        let take_event = |fd: BorrowedFd<'_>| Ok(Progress::Done(unistd::read(fd, &mut [0; 8])?));
        let unparked = poll_fn(|cx| self.event.poll_io(cx, Interest::Read, take_event));
        let ended = future::or(self.slept.notified(), async { _ = unparked.await });
        self.runtime.block_on(async {
            match limit {
                // Takes what is there.
                Some(Duration::ZERO) => yield_now().await,
                // An event or none.
                Some(limit) => _ = timeout(limit, ended).await,
                None => ended.await,
            }
        });
        self.parker.wake_up_after(limit);
        Ok(self.timers.fire())
    }

    fn unparker(&self) -> Unparker {
        self.parker.unparker()
    }

    fn timers(&self) -> &Timers {
        &self.timers
    }
}

impl Drop for TokioDriver {
    fn drop(&mut self) {
        self.timers.end();
    }
}

fn main() -> ExitCode {
    // What tokio opens once for the process is no leak of a case.
    drop(TokioDriver::new());
    conformance::main::<Hosted>()
}
