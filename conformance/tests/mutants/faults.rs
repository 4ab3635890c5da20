//! What is wrong with each mutant. Each is a mistake that real libraries have made.

/// The mistakes that a mutant makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Keeps room for a NUL that a full-length path does not need, and so cuts off its last byte.
    pub(crate) truncates_paths: bool,
    /// Forgets to close its descriptor when connecting fails.
    pub(crate) leaks_descriptors: bool,
    /// Keeps the waker of the first poll when a later poll brings another.
    pub(crate) keeps_the_old_waker: bool,
    /// Owned sends say that they took everything, and lose what did not fit into the kernel.
    pub(crate) drops_tails: bool,
    /// Vectored writes put the last slice first.
    pub(crate) reorders_slices: bool,
    /// What a read receives belongs to its future, and is lost with it.
    pub(crate) future_owns_receive: bool,
}

/// A mutant: its name and its one mistake.
pub(crate) trait Mutation: Send + Sync + Unpin + 'static {
    /// What its test is called.
    const NAME: &'static str;
    /// What is wrong with it.
    const FAULTS: Faults;
}

/// Declares mutants by their one mistake.
macro_rules! mutants {
    ($($name:ident $text:literal $fault:ident),* $(,)?) => {$(
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl Mutation for $name {
            const NAME: &'static str = $text;
            const FAULTS: Faults = Faults { $fault: true, ..NONE };
        }
    )*};
}

const NONE: Faults = Faults {
    truncates_paths: false,
    leaks_descriptors: false,
    keeps_the_old_waker: false,
    drops_tails: false,
    reorders_slices: false,
    future_owns_receive: false,
};

mutants![
    TruncatedPath "truncated_path" truncates_paths,
    LeakedDescriptor "leaked_descriptor" leaks_descriptors,
    LostWakeUp "lost_wake_up" keeps_the_old_waker,
    DroppedTail "dropped_tail" drops_tails,
    ReorderedSlices "reordered_slices" reorders_slices,
    FutureOwnsReceive "future_owns_receive" future_owns_receive,
];
