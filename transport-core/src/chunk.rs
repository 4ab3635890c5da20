//! Received bytes that their holder owns: the currency of `recv` and `send`.
//!
//! A [`Chunk`] is a window onto memory that something else keeps alive: a `Bytes`, a buffer of the
//! process, or one that a backend lent and gets back when the chunk is dropped, on whatever thread
//! and even after the backend's driver is gone.
#![expect(unsafe_code, reason = "points into memory that its owner keeps alive")]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::buffers::Buffer;

/// Owned bytes. Empty means end of stream when it comes from `recv`.
///
/// Dropping it gives a lent buffer back; that never blocks on the kernel.
pub struct Chunk {
    memory: Memory,
}

enum Memory {
    Shared(Bytes),
    Lent(Lent),
}

/// A window onto a buffer that goes back when this is dropped.
struct Lent {
    lender: By,
    start: NonNull<u8>,
    length: usize,
}

/// Whose buffer it is.
enum By {
    Backend {
        lender: Arc<dyn Lender>,
        token: u64,
    },
    /// The process's; nothing once it is given back.
    Process(Option<Buffer>),
}

/// A backend that lends its buffers out as chunks.
///
/// For implementers: `give_back` is called once for each chunk, from the thread that drops it.
/// It must not block on the kernel and must not panic.
pub trait Lender: Send + Sync + 'static {
    /// Takes back the buffer that `token` names.
    fn give_back(&self, token: u64);
}

// SAFETY: it only reads its memory, which its lender keeps alive and which nobody writes until it
// is given back (`Chunk::lent` demands it); lenders are `Send` and `Sync`.
unsafe impl Send for Lent {}
// SAFETY: as above; `&Lent` gives only `&[u8]`.
unsafe impl Sync for Lent {}

impl Drop for Lent {
    fn drop(&mut self) {
        match &mut self.lender {
            By::Backend { lender, token } => lender.give_back(*token),
            By::Process(buffer) => {
                if let Some(buffer) = buffer.take() {
                    buffer.give_back();
                }
            }
        }
    }
}

impl Chunk {
    /// The empty chunk. Allocates nothing.
    #[must_use]
    pub const fn new() -> Chunk {
        Chunk { memory: Memory::Shared(Bytes::new()) }
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
        let lender = By::Backend { lender, token };
        Chunk { memory: Memory::Lent(Lent { lender, start, length }) }
    }

    /// A chunk over `length` bytes at `start` of `buffer`, which is given back when it is dropped.
    ///
    /// # Safety
    /// The bytes must lie in `buffer` and be initialised.
    pub(crate) unsafe fn own(buffer: Buffer, start: NonNull<u8>, length: usize) -> Chunk {
        let lender = By::Process(Some(buffer));
        Chunk { memory: Memory::Lent(Lent { lender, start, length }) }
    }

    /// For lenders: the token of a chunk that `lender` lent, which is empty from then on. The
    /// buffer is the lender's again, without [`Lender::give_back`].
    pub fn take_back<L: Lender>(&mut self, lender: &Arc<L>) -> Option<u64> {
        let Memory::Lent(lent) = &self.memory else { return None };
        let By::Backend { lender: own, token } = &lent.lender else { return None };
        if !std::ptr::addr_eq(Arc::as_ptr(own), Arc::as_ptr(lender)) {
            return None;
        }
        let token = *token;
        let Memory::Lent(lent) = std::mem::take(self).memory else { return None };
        let lent = ManuallyDrop::new(lent);
        // SAFETY: it is never dropped, so this is the only owner.
        drop(unsafe { std::ptr::read(&lent.lender) });
        Some(token)
    }

    /// Drops the first `n` bytes from the front.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "a chunk gives no more than it holds");
        if n == self.len() {
            *self = Chunk::new();
            return;
        }
        match &mut self.memory {
            Memory::Shared(bytes) => bytes.advance(n),
            Memory::Lent(lent) => {
                // SAFETY: `n` is within the memory, by the assertion.
                lent.start = unsafe { lent.start.add(n) };
                lent.length -= n;
            }
        }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.memory {
            Memory::Shared(bytes) => bytes,
            // SAFETY: the lender keeps these bytes alive, initialised and unwritten.
            Memory::Lent(lent) => unsafe {
                std::slice::from_raw_parts(lent.start.as_ptr(), lent.length)
            },
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk::new()
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Chunk {
        Chunk { memory: Memory::Shared(bytes) }
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
    /// No copy. A lent buffer costs one allocation, and the `Bytes` keeps it from its lender.
    fn from(chunk: Chunk) -> Bytes {
        match chunk.memory {
            Memory::Shared(bytes) => bytes,
            Memory::Lent(_) => Bytes::from_owner(chunk),
        }
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("length", &self.len()).finish_non_exhaustive()
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
        // SAFETY: as above.
        let mut chunk = unsafe { Chunk::lent(lender.clone(), 8, NonNull::from(&BUFFER).cast(), 4) };
        let other = Arc::new(Counted(std::sync::Mutex::default()));
        assert_eq!((chunk.take_back(&other), chunk.len()), (None, 4));
        assert_eq!((chunk.take_back(&lender), chunk.len()), (Some(8), 0));
        drop(chunk);
        assert_eq!(*lender.0.lock().expect("not poisoned"), [7], "it was taken");
        assert_eq!(Arc::strong_count(&lender), 1);
        assert!(size_of::<Chunk>() <= 40, "chunks are moved with every message");
    }
}
