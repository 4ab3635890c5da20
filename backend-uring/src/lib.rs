//! Unix domain sockets on io_uring: borrowed I/O is readiness, owned I/O of small pieces completion.
//!
//! A borrowed slice is lent for one call, and the kernel would keep it for an unknown time; so
//! borrowed reads and writes use the ring as a reactor (multishot polls, direct calls), through
//! core's `Readiness`. Owned `recv` and `send` are completions: the ring receives into its own
//! buffers and hands them out, and sends what it was given, in place. Large pieces go by readiness
//! there, too, because one buffer that stays in the cache is worth more than a system call, and so does
//! all that is sent where a system call is cheap.
//!
//! - `setup` makes a ring, `ring` is what everyone shares of it, `driver` waits for it, by
//!   `enter`;
//! - `buffers` are the ring's receive buffers, `operation` names what is in flight;
//! - `reactor` is the borrowed path, `owned` the owned one, `receive` and `send` its two states,
//!   `quiet` what the kernel does not report, `doubt` what it may have missed, `pieces` what is too
//!   large for it, `price` whether sending is;
//! - `probe` finds out what works here;
//! - `connection`, `listener` and `transport` join the two paths.

mod buffers;
mod connection;
mod doubt;
mod driver;
mod enter;
mod listener;
mod operation;
mod owned;
mod pieces;
mod price;
mod probe;
mod quiet;
mod reactor;
mod receive;
mod received;
mod ring;
mod send;
mod setup;
mod transport;

pub use connection::{UringConnection, UringReadHalf, UringWriteHalf};
pub use driver::UringDriver;
pub use listener::UringListener;
pub use reactor::{RingReactor, RingSource};
pub use transport::UringTransport;

use transport_core::{Availability, Backend, Result, Settings};

/// The io_uring backend: one ring per driver, Linux 5.19 or newer, where it is not forbidden.
#[derive(Clone, Copy, Debug)]
pub struct Uring;

impl Backend for Uring {
    const NAME: &'static str = "uring";
    type Transport = UringTransport;
    type Driver = UringDriver;

    fn probe() -> Availability {
        probe::probe()
    }

    fn open(settings: &Settings) -> Result<(UringTransport, UringDriver)> {
        let mut settings = settings.clone();
        settings.multishot &= probe::multishot_sees_every_end();
        open(&settings)
    }
}

fn open(settings: &Settings) -> Result<(UringTransport, UringDriver)> {
    let driver = UringDriver::new(settings)?;
    Ok((UringTransport::new(driver.reactor()), driver))
}
