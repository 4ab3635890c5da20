//! The suite against the synchronous face of the backend `blocking`.
//!
//! That face has no trait of its own, so an adapter makes it a transport: its poll functions
//! simply make the blocking call, and never answer `Pending`. Cases that need two operations at
//! once, or to give one up, do not apply.

mod connection;
mod transport;

use std::process::ExitCode;

use backend_blocking::{Blocking, ParkDriver};
use conformance::{Capabilities, Fixture};
use transport_core::{Availability, Backend, Result, Settings};

use transport::Synchronous;

struct OnSynchronousFace;

impl Fixture for OnSynchronousFace {
    const NAME: &'static str = "blocking-sync";
    type Backend = Face;

    fn capabilities() -> Capabilities {
        Capabilities::DESCRIPTORS | Capabilities::SHARED_LISTENERS
    }
}

/// The synchronous face beside a driver that only fires timers.
struct Face;

impl Backend for Face {
    const NAME: &'static str = "blocking_sync";
    type Transport = Synchronous;
    type Driver = ParkDriver;

    fn probe() -> Availability {
        Blocking::probe()
    }

    fn open(settings: &Settings) -> Result<(Synchronous, ParkDriver)> {
        let (_, driver) = Blocking::open(settings)?;
        Ok((Synchronous, driver))
    }
}

fn main() -> ExitCode {
    conformance::main::<OnSynchronousFace>()
}
