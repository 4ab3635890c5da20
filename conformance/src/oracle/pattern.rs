//! A stream whose every byte tells its place, so that a lost, doubled or swapped part shows.

/// An endless sequence of bytes. Both ends walk along it: one takes what it sends, the other
/// checks what it received. Different seeds give different sequences.
#[derive(Clone, Debug)]
pub struct Pattern {
    seed: u64,
    position: u64,
}

impl Pattern {
    /// The start of the sequence.
    #[must_use]
    pub fn new(seed: u64) -> Pattern {
        Pattern { seed, position: 0 }
    }

    /// How many bytes were taken or checked.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes, which stay the next ones: for a write that may take a part of them.
    #[must_use]
    pub fn peek(&self, length: usize) -> Vec<u8> {
        let skipped = (self.position % 8) as usize;
        let mut bytes = Vec::with_capacity(skipped + length + 8);
        let mut word = self.position / 8;
        while bytes.len() < skipped + length {
            bytes.extend_from_slice(&scrambled(self.seed, word).to_le_bytes());
            word += 1;
        }
        bytes.truncate(skipped + length);
        bytes.drain(..skipped);
        bytes
    }

    /// Goes on by as many bytes as were written.
    pub fn advance(&mut self, length: usize) {
        self.position += length as u64;
    }

    /// The next bytes, taken.
    #[must_use]
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let bytes = self.peek(length);
        self.advance(length);
        bytes
    }

    /// Checks that `received` are the next bytes, and goes on behind them.
    ///
    /// # Panics
    /// If they are not; the message says where the first wrong byte is.
    pub fn check(&mut self, received: &[u8]) {
        let expected = self.peek(received.len());
        if let Some(at) = received.iter().zip(&expected).position(|(one, other)| one != other) {
            panic!(
                "every byte arrives once and in order: byte {} of the stream is not the one that was sent \
                 there (received {:02x?}, sent {:02x?})",
                self.position + at as u64,
                &received[at..received.len().min(at + 8)],
                &expected[at..expected.len().min(at + 8)],
            );
        }
        self.advance(received.len());
    }
}

/// SplitMix64: neighbouring numbers give unlike words.
fn scrambled(seed: u64, number: u64) -> u64 {
    let mut word = number.wrapping_add(seed << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_same_stream_as_the_whole() {
        let whole = Pattern::new(1).take(1000);
        let mut pieces = Pattern::new(1);
        let mut checked = Pattern::new(1);
        for length in [0, 1, 7, 8, 9, 63, 412, 500] {
            let piece = pieces.take(length);
            assert_eq!(piece, whole[piece_start(&pieces, length)..][..length]);
            checked.check(&piece);
        }
        assert_ne!(whole, Pattern::new(2).take(1000));
    }

    fn piece_start(after: &Pattern, length: usize) -> usize {
        after.position() as usize - length
    }
}
