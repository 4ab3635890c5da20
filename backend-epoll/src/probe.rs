//! Whether epoll works here: found out by opening it, as the driver does.

use transport_core::Availability;

use crate::reactor::Shared;

pub(crate) fn probe() -> Availability {
    match Shared::new() {
        Ok(_) => Availability::Yes("edge-triggered, one eventfd to wake it".to_owned()),
        Err(e) => Availability::No(format!("epoll can't be opened: {e}")),
    }
}
