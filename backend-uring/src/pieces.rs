//! By which mechanism the owned path moves a piece: small ones by completion, large ones by
//! readiness.
//!
//! A completion saves system calls, a part of a microsecond for each piece. But the kernel receives
//! into the ring's buffers in turn, so that a large piece always lands in memory that has left the
//! cache, where a receive by readiness uses the buffer that came back last: from about 8 KiB on that
//! costs more than it saves (ADR 0016).

/// From how many bytes on a piece is large.
const LARGE: usize = 8 * 1024;

/// How many large pieces in a row make it a direction of large pieces.
const MANY_LARGE: u8 = 2;

/// How many small pieces in a row make it one of small pieces again.
const MANY_SMALL: u8 = 16;

/// What one direction of a connection moves.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    are_large: bool,
    /// How many of the other kind came in a row.
    others: u8,
}

impl Pieces {
    /// Whether its pieces are large.
    pub(crate) fn are_large(&self) -> bool {
        self.are_large
    }

    /// Notes a piece. Answers whether from now on they are small, and were large before.
    pub(crate) fn note(&mut self, length: usize) -> bool {
        if (length >= LARGE) == self.are_large {
            self.others = 0;
            return false;
        }
        self.others += 1;
        let many = if self.are_large { MANY_SMALL } else { MANY_LARGE };
        if self.others == many {
            *self = Pieces { are_large: !self.are_large, others: 0 };
            return !self.are_large;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_the_other_kind_change_nothing() {
        let mut pieces = Pieces::default();
        let mut note = |lengths: &[usize]| {
            let back = lengths.iter().filter(|length| pieces.note(**length)).count();
            (pieces.are_large(), back)
        };
        assert_eq!(note(&[LARGE, 1, LARGE, LARGE - 1]), (false, 0));
        assert_eq!(note(&[LARGE, LARGE + 1]), (true, 0));
        assert_eq!(note(&[1; MANY_SMALL as usize - 1]), (true, 0));
        assert_eq!(note(&[LARGE, 1]), (true, 0), "the count begins anew");
        assert_eq!(note(&[1; MANY_SMALL as usize]), (false, 1), "it is told once");
    }
}
