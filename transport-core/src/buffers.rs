//! Receive buffers for owned reads by readiness: taken when data is there, and given back when the
//! chunk is dropped, so an idle connection holds none and a busy one allocates nothing.
//!
//! They are the process's. Each thread keeps the one that it used last, which is in its cache, until
//! it ends; a thread that drops one chunk before it receives the next takes no lock (ADR 0025).
#![expect(unsafe_code, reason = "hands buffers out as chunks")]

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::chunk::Chunk;
use crate::cursor::ReadCursor;

/// Large enough for a stream to need few calls (64 KiB splits badly with the kernel's own buffers
/// only when writers send more at once than readers take).
pub(crate) const SIZE: usize = 64 * 1024;

/// How many buffers stay when nobody uses them, besides those of the threads.
const KEPT: usize = 64;

/// It begins at a cache line: of 64 KiB at 16 bytes beyond one, as allocators like to
/// place it, the kernel's copy takes 2 to 4 percent longer.
#[repr(align(64))]
struct Memory([MaybeUninit<u8>; SIZE]);

/// The memory of a box.
pub(crate) struct Buffer(NonNull<Memory>);

// SAFETY: it owns its memory, and gives access to it only by its own borrow, before anything points
// there.
unsafe impl Send for Buffer {}

thread_local! {
    static LAST: Cell<Option<Buffer>> = const { Cell::new(None) };
}

static FREE: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

/// Calls `receive` with a buffer; what it put there comes back as a chunk.
///
/// # Errors
/// Those of `receive`; nothing is lost then.
pub(crate) fn fill(
    receive: impl FnOnce(&mut ReadCursor<'_>) -> io::Result<()>,
) -> io::Result<Chunk> {
    let mut buffer = Buffer::take();
    let mut cursor = ReadCursor::uninit(buffer.memory());
    let received = receive(&mut cursor);
    let length = cursor.filled_len();
    if received.is_err() || length == 0 {
        buffer.give_back();
        return received.map(|()| Chunk::new());
    }
    let start = buffer.0.cast();
    // SAFETY: `length` bytes were filled from its start on, and nobody writes there while the chunk has
    // the buffer.
    Ok(unsafe { Chunk::own(buffer, start, length) })
}

impl Buffer {
    fn new() -> Buffer {
        let memory = Box::leak(Box::<Memory>::new_uninit());
        Buffer(NonNull::from(memory).cast())
    }

    fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the memory is this value's, and a chunk that points to it has this value.
        &mut unsafe { self.0.as_mut() }.0
    }

    fn take() -> Buffer {
        // A thread that is ending keeps none.
        let last = LAST.try_with(Cell::take).ok().flatten();
        last.or_else(|| free().pop()).unwrap_or_else(Buffer::new)
    }

    /// Lets others use it.
    pub(crate) fn give_back(self) {
        let Ok(Some(other)) = LAST.try_with(|last| last.replace(Some(self))) else { return };
        let mut free = free();
        if free.len() < KEPT {
            free.push(other);
        } else {
            drop(free);
            drop(other);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `new` leaked a box, and nobody points to it any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

fn free() -> MutexGuard<'static, Vec<Buffer>> {
    // Nothing inside panics.
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_are_used_again() {
        let abc = || {
            fill(|cursor| {
                cursor.put(b"abc");
                Ok(())
            })
            .expect("no error")
        };
        let held: Vec<Chunk> = (0..KEPT + 5).map(|_| abc()).collect();
        assert!(held.iter().all(|chunk| **chunk == *b"abc"));
        drop(held);
        assert_eq!(free().len(), KEPT);
        let mut last = abc();
        last.advance(2);
        let at = last.as_ptr();
        drop(last);
        assert!(fill(|_| Err(io::ErrorKind::WouldBlock.into())).is_err());
        assert!(fill(|_| Ok(())).expect("no error").is_empty());
        let again = abc();
        assert_eq!(again[2..].as_ptr(), at, "the one that was used last");
        assert_eq!(free().len(), KEPT, "and no other");
    }
}
