//! Receive buffers for owned reads by readiness: taken when data is there, given back when the
//! chunk is dropped, so an idle connection holds none and a busy one allocates nothing.
#![expect(unsafe_code, reason = "lends buffers out as chunks")]

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chunk::{Chunk, Lender};
use crate::cursor::ReadCursor;

/// Large enough for a stream to need few calls (64 KiB splits badly with the kernel's own buffers
/// only when writers send more at once than readers take).
const SIZE: usize = 64 * 1024;

/// How many buffers stay when nobody uses them.
const KEPT: usize = 64;

/// It begins at a cache line: of 64 KiB at 16 bytes beyond one, as allocators like to place it, the
/// kernel's copy takes 2 to 4 percent longer.
#[repr(align(64))]
struct Memory([MaybeUninit<u8>; SIZE]);

/// The memory of a box. As a token it is the buffer's address.
#[derive(Debug)]
struct Buffer(NonNull<Memory>);

// SAFETY: it owns its memory, and gives access to it only by its own borrows and by chunks.
unsafe impl Send for Buffer {}

impl Buffer {
    fn new() -> Buffer {
        let memory = Box::leak(Box::<Memory>::new_uninit());
        Buffer(NonNull::from(memory).cast())
    }

    fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the memory is this value's, and no chunk points to it: that would be its token.
        &mut unsafe { self.0.as_mut() }.0
    }

    /// The buffer as a number, which must become a buffer again.
    fn into_token(self) -> u64 {
        ManuallyDrop::new(self).0.as_ptr().expose_provenance() as u64
    }

    /// # Safety
    /// The token must come from [`into_token`](Self::into_token), and be used once.
    unsafe fn from_token(token: u64) -> Buffer {
        let memory = std::ptr::with_exposed_provenance_mut(token as usize);
        Buffer(NonNull::new(memory).expect("a buffer is somewhere"))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `new` leaked a box, and no chunk points to it any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The buffers of one transport that nobody uses. The most recently used one is used next: it is
/// in the cache.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: Mutex<Vec<Buffer>>,
}

impl Buffers {
    /// Calls `receive` with a buffer; what it put there comes back as a chunk.
    ///
    /// # Errors
    /// Those of `receive`; nothing is lost then.
    pub(crate) fn fill(
        self: &Arc<Self>,
        receive: impl FnOnce(&mut ReadCursor<'_>) -> io::Result<()>,
    ) -> io::Result<Chunk> {
        let free = self.lock().pop();
        let mut buffer = free.unwrap_or_else(Buffer::new);
        let mut cursor = ReadCursor::uninit(buffer.memory());
        let received = receive(&mut cursor);
        let length = cursor.filled_len();
        if received.is_err() || length == 0 {
            self.put(buffer);
            return received.map(|()| Chunk::new());
        }
        let start = buffer.0.cast::<u8>();
        let lender: Arc<dyn Lender> = Arc::clone(self) as Arc<dyn Lender>;
        // SAFETY: `length` bytes were filled, and nobody has the buffer until its token is given
        // back.
        Ok(unsafe { Chunk::lent(lender, buffer.into_token(), start, length) })
    }

    fn put(&self, buffer: Buffer) {
        let mut free = self.lock();
        if free.len() < KEPT {
            free.push(buffer);
        } else {
            drop(free);
            drop(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Buffer>> {
        // Nothing inside panics.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lender for Buffers {
    fn give_back(&self, token: u64) {
        // SAFETY: chunks come from `fill`, and give their token back once.
        self.put(unsafe { Buffer::from_token(token) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_are_used_again() {
        let buffers = Arc::<Buffers>::default();
        let fill = || {
            buffers.fill(|cursor| {
                cursor.put(b"abc");
                Ok(())
            })
        };
        let held: Vec<Chunk> = (0..KEPT + 5).map(|_| fill().expect("no error")).collect();
        assert!(held.iter().all(|chunk| **chunk == *b"abc"));
        drop(held);
        assert_eq!(buffers.lock().len(), KEPT);
        let failed = buffers.fill(|_| Err(io::ErrorKind::WouldBlock.into()));
        assert!(failed.is_err());
        assert_eq!(buffers.lock().len(), KEPT);
    }
}
