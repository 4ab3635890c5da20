//! All cases, one file per topic.

mod across;
mod addressing;
mod backlog;
mod connect;
mod credentials;
mod descriptors;
mod listener;
mod owned;
mod permissions;
mod runtime;
mod stream;

use crate::case::Case;
use crate::fixture::Fixture;

/// Every case, by number.
#[must_use]
pub fn all<F: Fixture>() -> Vec<Case<F>> {
    let mut cases = [
        across::cases::<F>(),
        addressing::cases(),
        backlog::cases(),
        connect::cases(),
        credentials::cases(),
        descriptors::cases(),
        listener::cases(),
        owned::cases(),
        permissions::cases(),
        runtime::cases(),
        stream::cases(),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    cases.sort_by_key(|case| case.id);
    cases
}
