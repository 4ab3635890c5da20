//! Futures dropped at random: case 167 (rules L5, S4, S7).
//!
//! Cases 75, 103 and 104 drop futures where it is known to hurt. This one drops them wherever
//! chance leads, thousands of times, and accounts for every byte, connection and descriptor.

mod arrivals;
mod streams;
mod tally;

use std::future::Future;
use std::pin::pin;

use fastrand::Rng;
use futures_lite::future::{poll_once, yield_now};

use crate::case::{Case, cases};
use crate::cases::random::tally::Tally;
use crate::cases::settling::no_more_descriptors_than;
use crate::census::Census;
use crate::context::Context;
use crate::fixture::Fixture;

/// Repeats a run: the seed that it printed.
const SEED: &str = "CONFORMANCE_SEED";

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F; 167 random_cancellation needs CONCURRENT]
}

fn random_cancellation<F: Fixture>(cx: &mut Context<F>) {
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    cx.note(format_args!("{SEED}={seed} repeats this run"));
    let mut random = Rng::with_seed(seed);
    let mut tally = Tally::default();
    cx.run(async |transport| {
        let before = Census::take();
        streams::run(cx, &transport, &mut random, &mut tally).await;
        arrivals::accepts(cx, &transport, &mut random, &mut tally).await;
        arrivals::connects(cx, &transport, &mut random, &mut tally).await;
        no_more_descriptors_than(&before).await;
    });
    cx.note(&tally);
    tally.assert_enough();
}

/// Polls the future a few times, while something else happens and the driver turns; then drops it.
/// `None` if it was still pending when it was dropped, whatever has happened by then.
async fn poll_a_while<T>(
    random: &mut Rng,
    future: impl Future<Output = T>,
    mut meanwhile: impl FnMut(&mut Rng),
) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..random.usize(1..4) {
        if let Some(output) = poll_once(&mut future).await {
            return Some(output);
        }
        meanwhile(random);
        for _ in 0..random.usize(0..3) {
            yield_now().await;
        }
    }
    None
}
