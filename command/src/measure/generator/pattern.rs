//! Bytes that tell a wrong echo from a right one: they depend on the connection and on the
//! position in what it sends, and are cheaper to make than to send.

use crate::buffer::Buffer;

/// An odd number without structure: the golden ratio in 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const WORD: usize = size_of::<u64>();

/// The bytes of a connection: words in an arithmetic progression of their own, which repeat
/// nothing in 2^64 words. They can be made at any position, so that neither what is under way nor
/// what is expected is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern {
    seed: u64,
}

impl Pattern {
    /// The bytes of `connection`.
    pub(super) fn of(connection: u64) -> Pattern {
        // Two rounds of multiplication keep the progressions of neighbours far apart.
        let mixed = connection.wrapping_add(1).wrapping_mul(GOLDEN);
        Pattern { seed: (mixed ^ (mixed >> 29)).wrapping_mul(GOLDEN.rotate_left(32) | 1) }
    }

    /// Fills `bytes` with those from `position` on.
    pub(super) fn fill(self, position: u64, bytes: &mut [u8]) {
        let (head, rest) = bytes.split_at_mut(head(position).min(bytes.len()));
        let first = self.word(position).to_le_bytes();
        let within = within(position);
        head.copy_from_slice(&first[within..within + head.len()]);
        let mut word = self.word(position + head.len() as u64);
        let mut words = rest.chunks_exact_mut(WORD);
        for part in &mut words {
            part.copy_from_slice(&word.to_le_bytes());
            word = word.wrapping_add(GOLDEN);
        }
        let tail = words.into_remainder();
        let length = tail.len();
        tail.copy_from_slice(&word.to_le_bytes()[..length]);
    }

    /// Whether `bytes` are those from `position` on.
    pub(super) fn matches(self, position: u64, bytes: &[u8]) -> bool {
        let (head, rest) = bytes.split_at(head(position).min(bytes.len()));
        let first = self.word(position).to_le_bytes();
        let within = within(position);
        let mut same = head == &first[within..within + head.len()];
        let mut word = self.word(position + head.len() as u64);
        let (words, tail) = rest.as_chunks::<WORD>();
        // Without an early end, so that it is made with vectors.
        let mut different = 0;
        for part in words {
            different |= u64::from_le_bytes(*part) ^ word;
            word = word.wrapping_add(GOLDEN);
        }
        same &= different == 0;
        same && tail == &word.to_le_bytes()[..tail.len()]
    }

    /// The word in which `position` lies.
    fn word(self, position: u64) -> u64 {
        self.seed.wrapping_add((position / WORD as u64).wrapping_mul(GOLDEN))
    }
}

/// How many bytes there are before the next whole word.
fn head(position: u64) -> usize {
    (WORD - within(position)) % WORD
}

fn within(position: u64) -> usize {
    // Lossless: below 8.
    (position % WORD as u64) as usize
}

/// A stream's bytes without making them again for each chunk: every chunk is a window of its own
/// onto one tape.
#[derive(Debug)]
pub(super) struct Tape {
    bytes: Buffer,
    chunk: usize,
}

impl Tape {
    /// A tape for chunks of this many bytes.
    pub(super) fn new(chunk: usize) -> Tape {
        let mut bytes = Buffer::of(chunk * 2);
        Pattern::of(0).fill(0, &mut bytes);
        Tape { bytes, chunk }
    }

    /// The bytes of the stream from `position` to the end of its chunk.
    pub(super) fn at(&self, position: u64) -> &[u8] {
        let length = self.chunk as u64;
        let (chunk, within) = (position / length, position % length);
        // A stride of 8,256 bytes: neighbouring chunks share no word at the same place, and begin
        // alike within a cache line.
        let window = chunk.wrapping_mul(8_256) % length;
        // Lossless: both are below the chunk's length, which is a `usize`.
        &self.bytes[(window + within) as usize..window as usize + self.chunk]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_by_connection_and_position() {
        let made = |connection, sequence: u64| {
            let mut message = [0; 8];
            Pattern::of(connection).fill(sequence * 8, &mut message);
            message
        };
        let mut all: Vec<_> = (0..256).flat_map(|c| (0..256).map(move |s| made(c, s))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 256 * 256);
    }

    #[test]
    fn any_part_is_that_of_the_whole() {
        let pattern = Pattern::of(7);
        let mut whole = [0; 64];
        pattern.fill(3, &mut whole);
        for start in 0..whole.len() {
            for end in start..whole.len() {
                let expected = &whole[start..end];
                let mut part = vec![0; end - start];
                pattern.fill(3 + start as u64, &mut part);
                assert_eq!(part, expected);
                assert!(pattern.matches(3 + start as u64, expected));
            }
        }
    }

    #[test]
    fn any_wrong_byte_is_seen() {
        let pattern = Pattern::of(7);
        for length in 1..40 {
            for wrong in 0..length {
                let mut bytes = vec![0; length];
                pattern.fill(5, &mut bytes);
                bytes[wrong] ^= 1;
                assert!(!pattern.matches(5, &bytes), "byte {wrong} of {length}");
            }
        }
    }

    #[test]
    fn chunks_are_windows_of_their_own() {
        let tape = Tape::new(64 * 1024);
        assert_eq!(tape.at(0).len(), 64 * 1024);
        assert_eq!(tape.at(5), &tape.at(0)[5..]);
        assert_ne!(tape.at(0)[..8], tape.at(64 * 1024)[..8]);
    }
}
