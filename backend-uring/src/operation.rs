//! The names of operations in flight: what the kernel gives back with each completion.

use transport_core::reactor::Token;

/// What a completion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A source's poll.
    Poll(Token),
    /// An owned receive.
    Receive(Token),
    /// An owned send.
    Send(Token),
    /// The poll of the eventfd that ends the driver's sleep.
    Unpark,
    /// A cancellation: what it cancelled reports for itself.
    Cancel,
    /// The timeout after which doubts are settled.
    Settle,
}

/// The kind is in the top four bits, which tokens leave free.
const KIND_SHIFT: u32 = 60;
const TOKEN_MASK: u64 = (1 << KIND_SHIFT) - 1;

impl Operation {
    /// For a submission.
    pub(crate) const fn user_data(self) -> u64 {
        let (kind, token) = match self {
            Operation::Poll(token) => (0, token.bits()),
            Operation::Receive(token) => (1, token.bits()),
            Operation::Send(token) => (2, token.bits()),
            Operation::Unpark => (3, 0),
            Operation::Cancel => (4, 0),
            Operation::Settle => (5, 0),
        };
        kind << KIND_SHIFT | token
    }

    /// From a completion.
    pub(crate) const fn from_user_data(user_data: u64) -> Operation {
        let token = Token::from_bits(user_data & TOKEN_MASK);
        match user_data >> KIND_SHIFT {
            0 => Operation::Poll(token),
            1 => Operation::Receive(token),
            2 => Operation::Send(token),
            3 => Operation::Unpark,
            4 => Operation::Cancel,
            _ => Operation::Settle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_survives_the_kernel() {
        let token = Token::from_bits(0x0fff_ffff_ffff_ffff);
        for operation in [
            Operation::Poll(token),
            Operation::Receive(token),
            Operation::Send(token),
            Operation::Unpark,
            Operation::Cancel,
            Operation::Settle,
        ] {
            assert_eq!(Operation::from_user_data(operation.user_data()), operation);
        }
    }
}
