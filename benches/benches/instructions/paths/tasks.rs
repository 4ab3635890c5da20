//! The runtime itself: its run queue and its timers.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::yield_now;
use unix_transport::{Backend, Runtime, Settings};

use crate::valgrind::counted;

pub(super) const WAKE: &str = "a task is woken and run";
pub(super) const WAKES: u32 = TASKS * TURNS;
pub(super) const TIMER: &str = "set, cancel";
pub(super) const TIMERS: u32 = 1_000;

/// How many tasks are ready in each turn, so that the turn itself counts little.
const TASKS: u32 = 100;
const TURNS: u32 = 100;
const WARM_UP: u32 = 10;

pub(super) fn wake<B: Backend>() -> io::Result<()> {
    let mut runtime = Runtime::<B>::new(&Settings::default())?;
    for _ in 0..TASKS {
        let yields = async {
            for _ in 0..WARM_UP + TURNS {
                yield_now().await;
            }
        };
        runtime.spawn(yields).detach();
    }
    runtime.block_on(turns(WARM_UP));
    counted(|| runtime.block_on(turns(TURNS)));
    Ok(())
}

/// Each time that this yields, every task runs once.
async fn turns(count: u32) {
    for _ in 0..count {
        yield_now().await;
    }
}

pub(super) fn timer<B: Backend>() -> io::Result<()> {
    let mut runtime = Runtime::<B>::new(&Settings::default())?;
    let handle = runtime.handle();
    let timers = |count| {
        let handle = handle.clone();
        async move {
            for _ in 0..count {
                let mut sleep = handle.sleep(Duration::from_secs(3_600));
                let set = poll_fn(|cx| Poll::Ready(Pin::new(&mut sleep).poll(cx).is_pending()));
                if !set.await {
                    return Err(io::Error::other("an hour has passed"));
                }
            }
            Ok(())
        }
    };
    runtime.block_on(timers(WARM_UP))?;
    counted(|| runtime.block_on(timers(TIMERS)))
}
