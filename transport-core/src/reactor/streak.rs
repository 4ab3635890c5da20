//! Attempts in a row that succeed: after so many their task lets the others have a turn.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

/// How many: a reader that is slower than its sender would otherwise never wait (case 166).
const LONGEST: u8 = 64;

/// The successes of one direction of one descriptor. Written by whoever makes the attempts, one
/// at a time.
#[derive(Debug, Default)]
pub struct Streak(AtomicU8);

impl Streak {
    /// Begins an operation, and answers how many succeeded before it. After too many it is
    /// pending, and the task is woken for its next turn.
    pub fn poll_begin(&self, cx: &Context<'_>) -> Poll<u8> {
        let successes = self.0.load(Ordering::Relaxed);
        self.0.store(0, Ordering::Relaxed);
        if successes == LONGEST {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(successes)
    }

    /// The operation, which had `before` it, succeeded, and the next may do so at once.
    pub fn go_on(&self, before: u8) {
        self.0.store(before + 1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn an_endless_streak_lets_others_go_first() {
        let streak = Streak::default();
        let cx = Context::from_waker(Waker::noop());
        let succeeds = || match streak.poll_begin(&cx) {
            Poll::Ready(before) => {
                streak.go_on(before);
                true
            }
            Poll::Pending => false,
        };
        for _ in 0..3 {
            assert!((0..LONGEST).all(|_| succeeds()), "a streak goes on for a while");
            assert!(!succeeds(), "then the task has to wait for its next turn");
        }
    }
}
