//! A borrowed buffer that need not be initialised: where a borrowed read puts its bytes.
#![expect(unsafe_code, reason = "keeps the count of initialised bytes in memory that has none")]

use std::fmt;
use std::mem::MaybeUninit;

/// A caller's buffer and how much of it is filled. Reading into it needs no zeroing first.
pub struct ReadCursor<'a> {
    buf: &'a mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'a> ReadCursor<'a> {
    /// A cursor at the start of initialised memory.
    pub fn new(buf: &'a mut [u8]) -> ReadCursor<'a> {
        // SAFETY: `u8` and `MaybeUninit<u8>` have one layout, and nothing that is not initialised
        // is ever written through this type (`unfilled` demands it of its callers).
        let buf = unsafe { &mut *(std::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) };
        ReadCursor::uninit(buf)
    }

    /// A cursor at the start of memory that need not be initialised.
    pub fn uninit(buf: &'a mut [MaybeUninit<u8>]) -> ReadCursor<'a> {
        ReadCursor { buf, filled: 0 }
    }

    /// What was read.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        let filled = &self.buf[..self.filled];
        // SAFETY: `filled` counts bytes that were written, by `put` or as `advance` demands.
        unsafe { filled.assume_init_ref() }
    }

    /// How many bytes were read.
    #[must_use]
    pub fn filled_len(&self) -> usize {
        self.filled
    }

    /// How many bytes still fit.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.buf.len() - self.filled
    }

    /// The memory that is not filled yet, to receive into.
    ///
    /// # Safety
    /// Nothing that is not initialised may be written there: the memory may be a `&mut [u8]`
    /// whose owner relies on its values.
    pub unsafe fn unfilled(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.buf[self.filled..]
    }

    /// Counts `n` more bytes as filled.
    ///
    /// # Safety
    /// The first `n` bytes of the [unfilled](Self::unfilled) part must have been written.
    ///
    /// # Panics
    /// If `n` is more than remains.
    pub unsafe fn advance(&mut self, n: usize) {
        assert!(n <= self.remaining(), "a read fills no more than its buffer");
        self.filled += n;
    }

    /// Copies as much of `bytes` as fits, and answers how much that was.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.remaining());
        self.buf[self.filled..][..n].write_copy_of_slice(&bytes[..n]);
        self.filled += n;
        n
    }
}

impl fmt::Debug for ReadCursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCursor")
            .field("filled", &self.filled)
            .field("capacity", &self.buf.len())
            .finish()
    }
}
