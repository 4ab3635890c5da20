//! Receive buffers for TCP: taken when data is there, given back when the chunk that was received
//! is sent, so an idle connection holds none.

use bytes::Bytes;
use unix_transport::Chunk;

use crate::buffer;
use crate::serve::scratch;

/// A buffer, of which a part may be filled.
pub(super) struct Buffer {
    memory: buffer::Buffer,
    filled: usize,
}

impl Buffer {
    /// A buffer with anything in it.
    pub(super) fn take() -> Buffer {
        Buffer { memory: scratch::take(), filled: 0 }
    }

    /// What can be received into.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// The first `filled` bytes as a chunk; the memory is given back with it.
    pub(super) fn filled(mut self, filled: usize) -> Chunk {
        self.filled = filled;
        Chunk::from(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        scratch::give(std::mem::take(&mut self.memory));
    }
}
