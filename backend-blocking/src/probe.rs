//! Whether blocking calls work here: found out by making a pair of sockets.

use transport_core::socket::{Mode, pair};
use transport_core::{AdoptOptions, Availability};

pub(crate) fn probe() -> Availability {
    match pair(Mode::Blocking, &AdoptOptions::new()) {
        Ok(_) => Availability::Yes("a thread per connection, or ppoll".to_owned()),
        Err(e) => Availability::No(e.to_string()),
    }
}
