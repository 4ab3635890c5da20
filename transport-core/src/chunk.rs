//! Received bytes that their holder owns: the currency of `recv` and `send`.
//!
//! A [`Chunk`] is a window onto memory that something else keeps alive: a `Bytes`, or a buffer
//! that a backend lent and gets back when the chunk is dropped, on whatever thread and even after
//! the backend's driver is gone.
#![expect(unsafe_code, reason = "points into memory that its owner keeps alive")]

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;

/// Owned bytes. Empty means end of stream when it comes from `recv`.
///
/// Dropping it gives a lent buffer back; that never blocks on the kernel.
pub struct Chunk {
    start: NonNull<u8>,
    length: usize,
    owner: Owner,
}

enum Owner {
    Nobody,
    Bytes(#[expect(dead_code, reason = "kept alive for its memory")] Bytes),
    Lender { lender: Arc<dyn Lender>, token: u64 },
}

/// A backend that lends its buffers out as chunks.
///
/// For implementers: `give_back` is called once for each chunk, from the thread that drops it.
/// It must not block on the kernel and must not panic.
pub trait Lender: Send + Sync + 'static {
    /// Takes back the buffer that `token` names.
    fn give_back(&self, token: u64);
}

// SAFETY: a chunk only reads its memory, which its owner keeps alive and which nobody writes
// while the chunk exists (`Chunk::lent` demands it); all owners are `Send` and `Sync`.
unsafe impl Send for Chunk {}
// SAFETY: as above; `&Chunk` gives only `&[u8]`.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// The empty chunk. Allocates nothing.
    #[must_use]
    pub const fn new() -> Chunk {
        Chunk { start: NonNull::dangling(), length: 0, owner: Owner::Nobody }
    }

    /// A chunk over `length` bytes at `start`, given back to `lender` by `token` when dropped.
    ///
    /// # Safety
    /// The bytes must be initialised, and must stay readable and unwritten until
    /// [`Lender::give_back`] is called with `token`.
    #[must_use]
    pub unsafe fn lent(
        lender: Arc<dyn Lender>,
        token: u64,
        start: NonNull<u8>,
        length: usize,
    ) -> Chunk {
        Chunk { start, length, owner: Owner::Lender { lender, token } }
    }

    /// Drops the first `n` bytes from the front.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.length, "a chunk gives no more than it holds");
        // SAFETY: `n` is within the memory, or one past its end, by the assertion.
        self.start = unsafe { self.start.add(n) };
        self.length -= n;
        if self.length == 0 {
            *self = Chunk::new();
        }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the owner keeps these bytes alive, initialised and unwritten.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Owner::Lender { lender, token } = &self.owner {
            lender.give_back(*token);
        }
    }
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk::new()
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Chunk {
        let start = NonNull::from(bytes.as_ref()).cast();
        Chunk { start, length: bytes.len(), owner: Owner::Bytes(bytes) }
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        Chunk::from(Bytes::from(bytes))
    }
}

impl From<&[u8]> for Chunk {
    fn from(bytes: &[u8]) -> Chunk {
        Chunk::from(Bytes::copy_from_slice(bytes))
    }
}

impl From<Chunk> for Bytes {
    /// One allocation, no copy: the `Bytes` keeps the chunk, and so a lent buffer, alive.
    fn from(chunk: Chunk) -> Bytes {
        Bytes::from_owner(chunk)
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_gives_its_buffer_back_once() {
        struct Counted(std::sync::Mutex<Vec<u64>>);
        impl Lender for Counted {
            fn give_back(&self, token: u64) {
                self.0.lock().expect("not poisoned").push(token);
            }
        }
        static BUFFER: [u8; 4] = *b"abcd";
        let lender = Arc::new(Counted(std::sync::Mutex::default()));
        // SAFETY: a static is alive and unwritten for ever.
        let mut chunk = unsafe { Chunk::lent(lender.clone(), 7, NonNull::from(&BUFFER).cast(), 4) };
        chunk.advance(1);
        assert_eq!(&*chunk, b"bcd");
        let bytes = Bytes::from(chunk);
        assert_eq!(&bytes[..], b"bcd");
        assert!(lender.0.lock().expect("not poisoned").is_empty());
        drop(bytes);
        assert_eq!(*lender.0.lock().expect("not poisoned"), [7]);
    }
}
