//! Buffers for reading: one of each thread is lent while a task is polled, and the proxy takes others
//! until what was read is sent. Ten thousand idle connections hold none.

use std::cell::RefCell;

/// The size of a buffer in bytes.
const SIZE: usize = 64 * 1024;

/// How many spare buffers a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static LENT: RefCell<Option<Box<[u8]>>> = const { RefCell::new(None) };
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `with` with a buffer, with anything in it: the one that was used last, which is in the
/// cache. Not to be lent again meanwhile; [`take`] takes another.
pub(crate) fn lend<T>(with: impl FnOnce(&mut [u8]) -> T) -> T {
    LENT.with_borrow_mut(|buffer| with(buffer.get_or_insert_with(take)))
}

/// A buffer, with anything in it.
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
