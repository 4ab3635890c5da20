//! Receive buffers for owned reads by readiness: taken when data is there, given back when the
//! chunk is dropped, so an idle connection holds none and a busy one allocates nothing.
#![expect(unsafe_code, reason = "lends buffers out as chunks")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chunk::{Chunk, Lender};
use crate::cursor::ReadCursor;

/// Large enough for a stream to need few calls (64 KiB splits badly with the kernel's own buffers
/// only when writers send more at once than readers take).
const SIZE: usize = 64 * 1024;

/// How many buffers stay when nobody uses them.
const KEPT: usize = 64;

/// The memory of a box, which keeps its place while chunks point to it.
#[derive(Debug)]
struct Buffer(NonNull<[MaybeUninit<u8>]>);

// SAFETY: it owns its memory, and gives access to it only by its own borrows and by chunks.
unsafe impl Send for Buffer {}

impl Buffer {
    fn new() -> Buffer {
        Buffer(NonNull::from(Box::leak(Box::new_uninit_slice(SIZE))))
    }

    fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the memory is this value's, and no chunk points to it while it is being filled.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `new` leaked a box; its token is free, so no chunk points to it any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The buffers of one transport. The most recently used one is used next: it is in the cache.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By token; `None` where the buffer is lent or was freed.
    places: Vec<Option<Buffer>>,
    /// Tokens with a buffer to lend.
    free: Vec<usize>,
    /// Tokens without one.
    vacant: Vec<usize>,
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
        let (token, mut buffer) = self.take();
        let mut cursor = ReadCursor::uninit(buffer.memory());
        let received = receive(&mut cursor);
        let length = cursor.filled_len();
        let start = buffer.0.cast::<u8>();
        self.lock().places[token] = Some(buffer);
        if received.is_err() || length == 0 {
            self.give_back(token as u64);
            return received.map(|()| Chunk::new());
        }
        let lender: Arc<dyn Lender> = Arc::clone(self) as Arc<dyn Lender>;
        // SAFETY: `length` bytes were filled, and the buffer stays in its place, untouched, until
        // its token is given back, because only free tokens are taken.
        Ok(unsafe { Chunk::lent(lender, token as u64, start, length) })
    }

    fn take(&self) -> (usize, Buffer) {
        let mut inner = self.lock();
        if let Some(token) = inner.free.pop()
            && let Some(buffer) = inner.places[token].take()
        {
            return (token, buffer);
        }
        let token = inner.vacant.pop().unwrap_or_else(|| {
            inner.places.push(None);
            inner.places.len() - 1
        });
        drop(inner);
        (token, Buffer::new())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing inside panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lender for Buffers {
    fn give_back(&self, token: u64) {
        let token = token as usize;
        let mut inner = self.lock();
        if inner.free.len() < KEPT {
            inner.free.push(token);
            return;
        }
        let freed = inner.places[token].take();
        inner.vacant.push(token);
        drop(inner);
        drop(freed);
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
        let inner = buffers.lock();
        assert_eq!((inner.free.len(), inner.vacant.len()), (KEPT, 5));
        drop(inner);
        let failed = buffers.fill(|_| Err(io::ErrorKind::WouldBlock.into()));
        assert!(failed.is_err());
        assert_eq!(buffers.lock().free.len(), KEPT);
    }
}
