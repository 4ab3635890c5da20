//! Mutants of the backend `epoll`, and the cases that each must fail: proof that the suite bites.

mod connection;
mod faults;
mod owned_receive;
mod transport;

use std::process::ExitCode;

use conformance::mutants::Mutant;
use conformance::{Capabilities, Fixture};
use faults::{
    DroppedTail, FutureOwnsReceive, LeakedDescriptor, LostWakeUp, Mutation, ReorderedSlices,
    TruncatedPath,
};
use transport::Mutated;

/// The suite against one mutant.
struct On<M>(M);

impl<M: Mutation> Fixture for On<M> {
    const NAME: &'static str = M::NAME;
    type Backend = Mutated<M>;

    fn capabilities() -> Capabilities {
        Capabilities::all().without(Capabilities::OWNED_BY_COMPLETION)
    }
}

fn main() -> ExitCode {
    conformance::mutants::main(vec![
        Mutant::new::<On<TruncatedPath>>(&[]),
        Mutant::new::<On<LeakedDescriptor>>(&[]),
        Mutant::new::<On<LostWakeUp>>(&[]),
        Mutant::new::<On<DroppedTail>>(&[]),
        Mutant::new::<On<ReorderedSlices>>(&[]),
        Mutant::new::<On<FutureOwnsReceive>>(&[]),
    ])
}
