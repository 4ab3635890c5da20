//! All cases, one file per topic.

mod accept;
mod across;
mod addressing;
mod backlog;
mod broken_stream;
mod cancellation;
mod capabilities;
mod connect;
mod credentials;
mod deadlines;
mod descriptors;
mod driver;
mod end_of_stream;
mod error_kinds;
mod exhaustion;
mod fairness;
pub(crate) mod flow;
mod listener;
mod meeting;
mod names;
mod nested;
mod owned;
mod permissions;
mod random;
mod runtime;
mod settling;
mod stream;

use crate::case::Case;
use crate::fixture::Fixture;

/// Every case, by number.
#[must_use]
pub fn all<F: Fixture>() -> Vec<Case<F>> {
    let mut cases = [
        accept::cases::<F>(),
        across::cases(),
        addressing::cases(),
        backlog::cases(),
        broken_stream::cases(),
        cancellation::cases(),
        capabilities::cases(),
        connect::cases(),
        credentials::cases(),
        deadlines::cases(),
        descriptors::cases(),
        driver::cases(),
        end_of_stream::cases(),
        error_kinds::cases(),
        exhaustion::cases(),
        fairness::cases(),
        listener::cases(),
        names::cases(),
        nested::cases(),
        owned::cases(),
        permissions::cases(),
        random::cases(),
        runtime::cases(),
        stream::cases(),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    cases.sort_by_key(|case| case.id);
    cases
}
