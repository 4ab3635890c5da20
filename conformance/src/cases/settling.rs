//! Waiting for what a driver does within a few turns: a ring closes a descriptor when the kernel
//! has let go of it, and counts bytes when it has seen their completion.

use futures_lite::future::yield_now;

use crate::census::Census;

/// More turns than any driver needs.
const MOST_TURNS: usize = 2000;

/// Lets the driver turn until the condition holds; `rule` says what is broken if it never does.
pub(super) async fn turns_until(rule: &str, condition: impl FnMut() -> bool) {
    assert!(holds_after_turns(condition).await, "{rule}");
}

/// Lets the driver turn until no more descriptors are open than before.
pub(super) async fn no_more_descriptors_than(before: &Census) {
    let is_settled = || Census::take().descriptors.len() <= before.descriptors.len();
    if !holds_after_turns(is_settled).await {
        before.assert_unchanged();
    }
}

async fn holds_after_turns(mut condition: impl FnMut() -> bool) -> bool {
    for _ in 0..MOST_TURNS {
        if condition() {
            return true;
        }
        yield_now().await;
    }
    false
}
