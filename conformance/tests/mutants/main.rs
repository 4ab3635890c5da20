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
        Mutant::new::<On<TruncatedPath>>(&[2, 8, 21, 143]),
        Mutant::new::<On<LeakedDescriptor>>(&[
            9, 10, 17, 26, 27, 28, 29, 30, 31, 32, 33, 34, 36, 37, 38, 39, 42, 47, 48, 51, 53, 55,
            57, 77, 84, 142, 143,
        ]),
        Mutant::new::<On<LostWakeUp>>(&[148]),
        Mutant::new::<On<DroppedTail>>(&[88, 158, 160, 167]),
        Mutant::new::<On<ReorderedSlices>>(&[100, 167]),
        Mutant::new::<On<FutureOwnsReceive>>(&[103, 149, 167]),
    ])
}
