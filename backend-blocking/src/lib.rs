//! Unix domain sockets by blocking system calls.
//!
//! Two faces. [`sync`] is for programs with a thread per connection: a read or a write is one
//! system call that waits. [`Blocking`] is the trait face for programs that are generic over
//! backends: its driver parks the thread in `ppoll(2)` over the descriptors that tasks wait for.

mod driver;
mod probe;
mod reactor;
pub mod sync;

pub use driver::ParkDriver;
pub use reactor::{ParkReactor, ParkSource};

use transport_core::{Availability, Backend, Readiness, Result, Settings};

/// The blocking backend's trait face: on every Unix, no kernel object but an eventfd. Each wait
/// costs time in proportion to the number of connections.
#[derive(Clone, Copy, Debug)]
pub struct Blocking;

impl Backend for Blocking {
    const NAME: &'static str = "blocking";
    type Transport = Readiness<ParkReactor>;
    type Driver = ParkDriver;

    fn probe() -> Availability {
        probe::probe()
    }

    fn open(_: &Settings) -> Result<(Readiness<ParkReactor>, ParkDriver)> {
        let driver = ParkDriver::new()?;
        Ok((Readiness::new(driver.reactor()), driver))
    }
}
