//! Buffers for reading: one of each thread is lent while a task is polled, and others are taken away
//! until what was read is sent. Ten thousand idle connections hold none.

use std::cell::RefCell;

use crate::buffer::{self, Buffer};

/// How many spare buffers a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static LENT: RefCell<Option<Buffer>> = const { RefCell::new(None) };
    static SPARE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Calls `with` with a buffer, with anything in it: the one that was used last, which is in the
/// cache. Not to be lent again meanwhile; [`take`] takes another, which may be left in its place.
pub(crate) fn lend<T>(with: impl FnOnce(&mut Buffer) -> T) -> T {
    LENT.with_borrow_mut(|buffer| with(buffer.get_or_insert_with(take)))
}

/// A buffer, with anything in it.
pub(crate) fn take() -> Buffer {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| Buffer::of(buffer::SIZE))
}

/// Gives a buffer back.
pub(crate) fn give(buffer: Buffer) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}
