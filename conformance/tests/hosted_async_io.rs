//! The suite against sockets on the reactor of `async-io`, which smol uses.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_io::{Async, Timer};
use conformance::{Capabilities, Fixture};
use futures_lite::future;
use transport_core::unparker::Parker;
use transport_core::{
    Availability, Backend, Cause, Driver, Error, Readiness, Result, Settings, Timers, Unparker,
};
use unix_transport::embed::hosted::async_io::AsyncIoReactor;

struct Hosted;

impl Fixture for Hosted {
    const NAME: &'static str = "hosted-async-io";
    type Backend = HostedAsyncIo;

    fn capabilities() -> Capabilities {
        // The reactor is the process's, and neither depends on a driver nor ends with one.
        Capabilities::all().without(
            Capabilities::DRIVEN | Capabilities::NESTED | Capabilities::OWNED_BY_COMPLETION,
        )
    }
}

struct HostedAsyncIo;

impl Backend for HostedAsyncIo {
    const NAME: &'static str = "hosted-async-io";
    type Transport = Readiness<AsyncIoReactor>;
    type Driver = Parked;

    fn probe() -> Availability {
        Availability::Yes(String::new())
    }

    fn open(_: &Settings) -> Result<(Readiness<AsyncIoReactor>, Parked)> {
        let driver = Parked::new();
        let driver = driver.map_err(|e| Error::new("open async-io", None, Cause::from(e)))?;
        Ok((Readiness::new(AsyncIoReactor), driver))
    }
}

/// Runs the tasks of one thread. It sleeps where smol's threads do, in the reactor.
struct Parked {
    parker: Arc<Parker>,
    event: Async<OwnedFd>,
    timers: Timers,
}

impl Parked {
    fn new() -> io::Result<Parked> {
        let parker = Parker::new()?;
        let event = Async::new_nonblocking(parker.as_fd().try_clone_to_owned()?)?;
        let timers = Timers::new(parker.unparker());
        Ok(Parked { parker, event, timers })
    }
}

impl Driver for Parked {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        let limit = self.parker.wait_limit(at_most, &self.timers);
        let slept = async_io::block_on(future::or(self.event.readable(), async {
            limit.map_or_else(Timer::never, Timer::after).await;
            Ok(())
        }));
        self.parker.wake_up_after(limit);
        self.parker.reset_event();
        slept?;
        Ok(self.timers.fire())
    }

    fn unparker(&self) -> Unparker {
        self.parker.unparker()
    }

    fn timers(&self) -> &Timers {
        &self.timers
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.timers.end();
    }
}

fn main() -> ExitCode {
    // The reactor's descriptors and its thread, which the process keeps, are no leak of a case.
    drop(Parked::new());
    conformance::main::<Hosted>()
}
