//! Bytes that tell a wrong echo from a right one: they depend on the connection, on the message
//! and on the position, and are cheaper to make than to send.

/// An odd number without structure: the golden ratio in 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Fills `message` with the bytes of message `sequence` of `connection`.
pub(super) fn fill(connection: usize, sequence: u64, message: &mut [u8]) {
    let seed = (connection as u64).wrapping_add(1).wrapping_mul(GOLDEN)
        ^ sequence.wrapping_mul(GOLDEN).rotate_left(32);
    let mut word = (seed ^ (seed >> 29)).wrapping_mul(GOLDEN);
    for part in message.chunks_mut(size_of::<u64>()) {
        part.copy_from_slice(&word.to_le_bytes()[..part.len()]);
        word = word.wrapping_add(GOLDEN);
    }
}

/// A stream's bytes without making them again for each chunk: every chunk is a window of its own
/// onto one tape.
#[derive(Debug)]
pub(super) struct Tape {
    bytes: Vec<u8>,
    chunk: usize,
}

impl Tape {
    /// A tape for chunks of this many bytes.
    pub(super) fn new(chunk: usize) -> Tape {
        let mut bytes = vec![0; chunk * 2];
        fill(0, 0, &mut bytes);
        Tape { bytes, chunk }
    }

    /// The bytes of the stream from `position` to the end of its chunk.
    pub(super) fn at(&self, position: u64) -> &[u8] {
        let length = self.chunk as u64;
        let (chunk, within) = (position / length, position % length);
        // A stride of 8,200 bytes: neighbouring chunks share no word at the same place.
        let window = chunk.wrapping_mul(8_200) % length;
        // Lossless: both are below the chunk's length, which is a `usize`.
        &self.bytes[(window + within) as usize..window as usize + self.chunk]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_by_connection_and_sequence() {
        let made = |connection, sequence| {
            let mut message = [0; 64];
            fill(connection, sequence, &mut message);
            message
        };
        let mut all: Vec<_> = (0..64).flat_map(|c| (0..64).map(move |s| made(c, s))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 64 * 64);
    }

    #[test]
    fn chunks_are_windows_of_their_own() {
        let tape = Tape::new(64 * 1024);
        assert_eq!(tape.at(0).len(), 64 * 1024);
        assert_eq!(tape.at(5), &tape.at(0)[5..]);
        assert_ne!(tape.at(0)[..8], tape.at(64 * 1024)[..8]);
    }
}
