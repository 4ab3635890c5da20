//! Our semantics on the reactor of `async-io`, which smol uses.
