//! The chunks that a connection received and its reader has not taken, in order.
//!
//! Nearly always none or one, which needs no memory of its own: ten thousand idle connections have
//! none. More come when a receive runs ahead of its reader.

use std::collections::VecDeque;

use transport_core::{Chunk, ReadCursor};

/// A queue that allocates with its second element, and keeps that memory.
#[derive(Default)]
pub(crate) struct Received {
    /// The oldest; `None` if there is no other either.
    first: Option<Chunk>,
    #[expect(clippy::box_collection, reason = "most connections never have any")]
    others: Option<Box<VecDeque<Chunk>>>,
}

impl Received {
    pub(crate) fn push(&mut self, chunk: Chunk) {
        match self.first {
            None => self.first = Some(chunk),
            Some(_) => self.others.get_or_insert_default().push_back(chunk),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Chunk> {
        match &mut self.others {
            None => self.first.take(),
            Some(others) => std::mem::replace(&mut self.first, others.pop_front()),
        }
    }

    /// Copies from the oldest as much as fits; `None` if there is none.
    pub(crate) fn copy_to(&mut self, into: &mut ReadCursor<'_>) -> Option<()> {
        let first = self.first.as_mut()?;
        let copied = into.put(first);
        first.advance(copied);
        if first.is_empty() {
            // The ring's, or a copy: nothing foreign runs with it.
            drop(self.pop());
        }
        Some(())
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.len())
    }

    pub(crate) fn bytes(&self) -> usize {
        let others = self.others.iter().flat_map(|others| others.iter());
        self.first.iter().chain(others).map(|chunk| chunk.len()).sum()
    }
}

impl Iterator for Received {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        self.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_out_as_they_went_in() {
        let mut received = Received::default();
        for byte in 0..3_u8 {
            received.push(Chunk::from(vec![byte; 2]));
        }
        assert_eq!((received.len(), received.bytes()), (3, 6));
        assert_eq!(received.pop().as_deref(), Some(&[0, 0][..]));
        received.push(Chunk::from(vec![3; 2]));
        let left: Vec<u8> = received.map(|chunk| chunk[0]).collect();
        assert_eq!(left, [1, 2, 3]);
    }
}
