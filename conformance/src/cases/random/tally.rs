//! How often each kind of operation was dropped while it waited.

use std::fmt;

/// How many steps a run has at least.
pub(super) const STEPS: usize = 10_000;
/// How many drops must hit an operation of each kind that waits.
pub(super) const DROPS: usize = 1_000;

/// A kind of operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Read,
    Write,
    Accept,
    Connect,
    Recv,
    Send,
}

/// The counts of one run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    steps: usize,
    dropped: [usize; 6],
}

impl Tally {
    /// A future was polled, and either finished or was dropped while it waited.
    pub(super) fn step<T>(&mut self, operation: Operation, answer: &Option<T>) {
        self.steps += 1;
        if answer.is_none() {
            self.dropped[operation as usize] += 1;
        }
    }

    /// Whether each of these kinds was dropped often enough.
    pub(super) fn has_enough(&self, operations: &[Operation]) -> bool {
        operations.iter().all(|&operation| self.dropped[operation as usize] >= DROPS)
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// # Panics
    /// If chance, or a backend whose operations never wait, left a kind out.
    pub(super) fn assert_enough(&self) {
        assert!(self.steps >= STEPS, "the run is long enough: {self}");
        let least = self.dropped.iter().min();
        assert!(least >= Some(&DROPS), "every kind was dropped while it waited: {self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, write, accept, connect, recv, send] = self.dropped;
        write!(
            f,
            "{} steps; dropped while pending: {read} reads, {write} writes, {accept} accepts, \
             {connect} connects, {recv} recvs, {send} sends",
            self.steps
        )
    }
}
