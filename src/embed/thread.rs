//! A driver on a thread of its own, for executors that have no loop to nest it in.
