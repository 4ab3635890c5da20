//! The suite against drivers that sleep in tokio's reactor, as one descriptor there.

use std::io;
use std::marker::PhantomData;
use std::process::ExitCode;
use std::time::Duration;

use backend_epoll::Epoll;
use backend_uring::Uring;
use conformance::{Capabilities, Fixture, Suite, TransportOf};
use tokio::runtime::{self, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout;
use transport_core::{
    Availability, Backend, Cause, Driver, Error, Result, Settings, Timers, Unparker,
};
use unix_transport::embed::nested::Nested;

struct NestedEpoll;

impl Fixture for NestedEpoll {
    const NAME: &'static str = "nested-epoll";
    type Backend = InTokio<Epoll>;

    fn capabilities() -> Capabilities {
        NESTED.without(Capabilities::OWNED_BY_COMPLETION)
    }
}

struct NestedUring;

impl Fixture for NestedUring {
    const NAME: &'static str = "nested-uring";
    type Backend = InTokio<Uring>;

    fn capabilities() -> Capabilities {
        NESTED
    }

    fn bytes_lent_to_kernel(transport: &TransportOf<Self>) -> Option<usize> {
        Some(transport.bytes_lent())
    }

    fn is_ring_memory(transport: &TransportOf<Self>, bytes: &[u8]) -> Option<bool> {
        Some(transport.is_ring_memory(bytes))
    }
}

/// The host is the loop, so there is nothing more to nest.
const NESTED: Capabilities = Capabilities::all().without(Capabilities::NESTED);

/// `B`, whose driver is nested in a tokio runtime.
struct InTokio<B>(PhantomData<B>);

impl<B: Backend> Backend for InTokio<B> {
    const NAME: &'static str = B::NAME;
    type Transport = B::Transport;
    type Driver = TokioDriver<B::Driver>;

    fn probe() -> Availability {
        B::probe()
    }

    fn open(settings: &Settings) -> Result<(B::Transport, TokioDriver<B::Driver>)> {
        let (transport, driver) = B::open(settings)?;
        let driver = TokioDriver::new(driver);
        Ok((transport, driver.map_err(|e| Error::new("open tokio", None, Cause::from(e)))?))
    }
}

/// A turn is one turn of the nested driver.
struct TokioDriver<D> {
    nested: Nested<D>,
    unparker: Unparker,
    timers: Timers,
    runtime: Runtime,
}

impl<D: Driver> TokioDriver<D> {
    fn new(driver: D) -> io::Result<TokioDriver<D>> {
        let (unparker, timers) = (driver.unparker(), driver.timers().clone());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let nested = {
            let _entered = runtime.enter();
            Nested::new(driver)?
        };
        Ok(TokioDriver { nested, unparker, timers, runtime })
    }
}

impl<D: Driver> Driver for TokioDriver<D> {
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<usize> {
        self.runtime.block_on(async {
            // Lets tokio see what is there.
            yield_now().await;
            match at_most {
                None => self.nested.turn().await,
                Some(limit) => timeout(limit, self.nested.turn()).await.unwrap_or(Ok(0)),
            }
        })
    }

    fn unparker(&self) -> Unparker {
        self.unparker.clone()
    }

    fn timers(&self) -> &Timers {
        &self.timers
    }
}

fn main() -> ExitCode {
    // What tokio opens once for the process is no leak of a case.
    drop(runtime::Builder::new_current_thread().enable_all().build());
    Suite::new().fixture::<NestedEpoll>().fixture::<NestedUring>().main()
}
