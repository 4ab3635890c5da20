//! Unix domain sockets on raw epoll: edge-triggered, with cached readiness.
//!
//! Listeners and connections are core's [`Readiness`]; this crate is the reactor and the driver:
//! what to ask the kernel, and how to wait for its answer.

mod driver;
mod probe;
mod reactor;

pub use driver::EpollDriver;
pub use reactor::{EpollReactor, EpollSource};

use transport_core::{Availability, Backend, Readiness, Result, Settings};

/// The epoll backend: one thread, many connections, on every Linux.
#[derive(Clone, Copy, Debug)]
pub struct Epoll;

impl Backend for Epoll {
    const NAME: &'static str = "epoll";
    type Transport = Readiness<EpollReactor>;
    type Driver = EpollDriver;

    fn probe() -> Availability {
        probe::probe()
    }

    fn open(settings: &Settings) -> Result<(Readiness<EpollReactor>, EpollDriver)> {
        let driver = EpollDriver::new(settings)?;
        Ok((Readiness::new(driver.reactor()), driver))
    }
}
