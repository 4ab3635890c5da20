//! Sends that succeed in silence.
//!
//! A send that may not wait is over when the `enter` that submitted it returns, and the kernel can
//! be asked to post no completion for one that took everything (`IOSQE_CQE_SKIP_SUCCESS`). So an
//! answer costs no completion, and, above all, does not end the wait for the next question. What
//! is not reported is concluded: after each `enter`, every send that was submitted and did not
//! fail is done. Whoever waits for one of them keeps the driver from sleeping.

use std::collections::VecDeque;

use transport_core::reactor::Token;

/// The sends that were queued this way and are not concluded, in order.
#[derive(Default)]
pub(crate) struct Quiet {
    /// Each with how many entries had been queued before it.
    sends: VecDeque<(u64, Token)>,
    is_awaited: bool,
}

impl Quiet {
    pub(crate) fn push(&mut self, place: u64, token: Token) {
        self.sends.push_back((place, token));
    }

    /// Somebody waits for one of them. A driver that sleeps on another thread must be nudged.
    pub(crate) fn wait(&mut self) {
        self.is_awaited = !self.sends.is_empty();
    }

    /// Whether all are concluded.
    pub(crate) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Whether the next `enter` may not sleep, because its silence is waited for.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited && !self.sends.is_empty()
    }

    /// Takes the next of those that are among the first `submitted` entries.
    pub(crate) fn pop(&mut self, submitted: u64) -> Option<(u64, Token)> {
        let next = self.sends.pop_front_if(|(place, _)| *place < submitted);
        self.is_awaited &= !self.sends.is_empty();
        next
    }
}
