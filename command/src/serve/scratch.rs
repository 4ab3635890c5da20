//! Buffers for borrowed reads: a task takes one when it is polled and keeps it only while it
//! holds bytes that are not written yet. Ten thousand idle connections hold none.

use std::cell::RefCell;

/// The size of a buffer in bytes.
const SIZE: usize = 64 * 1024;

/// How many spare buffers a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer, with anything in it. The one that was used last: it is in the cache.
pub(crate) fn take() -> Box<[u8]> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
}

/// Gives a buffer back.
pub(crate) fn give(buffer: Box<[u8]>) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}
