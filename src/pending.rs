//! Stands in for the io_uring backend until it exists.

use transport_core::{AnyTransport, Availability, Backend, Cause, Driver, Error, Result, Settings};

/// The io_uring backend.
#[derive(Clone, Copy, Debug)]
pub struct Uring;

impl Backend for Uring {
    const NAME: &'static str = "uring";
    type Transport = AnyTransport;
    type Driver = Box<dyn Driver>;

    fn probe() -> Availability {
        Availability::No("not written yet".to_owned())
    }

    fn open(_: &Settings) -> Result<(AnyTransport, Box<dyn Driver>)> {
        Err(Error::new("open uring", None, Cause::Unavailable("not written yet".to_owned())))
    }
}
