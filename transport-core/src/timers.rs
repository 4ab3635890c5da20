//! The timer heap that each driver owns, so that deadlines and back-off fire however it is driven.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::unparker::Unparker;

/// The timers of one driver. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Timers {
    shared: Arc<Shared>,
}

struct Shared {
    heap: Mutex<Heap>,
    /// Whether anything waits in the heap, or did when somebody last looked; written under its
    /// lock. A driver without timers, which is usual, takes no lock and reads no clock.
    is_any: AtomicBool,
    unparker: Unparker,
}

#[derive(Default)]
struct Heap {
    /// By instant; the number tells timers of one instant apart.
    waiting: BTreeMap<(Instant, u64), Waker>,
    last_number: u64,
    /// The driver is gone: nothing will fire any more, so everything is due.
    ended: bool,
}

impl Timers {
    /// Timers of a driver that `unparker` wakes when a new timer becomes the first.
    #[must_use]
    pub fn new(unparker: Unparker) -> Timers {
        Timers {
            shared: Arc::new(Shared {
                heap: Mutex::default(),
                is_any: AtomicBool::new(false),
                unparker,
            }),
        }
    }

    /// A future that is ready at `until`. Dropping it takes the timer away.
    pub fn sleep(&self, until: Instant) -> Sleep {
        Sleep { timers: self.clone(), until, number: None }
    }

    /// When the first timer is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        if !self.are_any() {
            return None;
        }
        let heap = self.lock();
        let first = heap.waiting.first_key_value().map(|((until, _), _)| *until);
        if first.is_none() {
            self.shared.is_any.store(false, Ordering::SeqCst);
        }
        first
    }

    /// For drivers: wakes all that are due, and answers how many those were.
    pub fn fire(&self) -> usize {
        let mut fired = 0;
        if !self.are_any() {
            return fired;
        }
        loop {
            let mut heap = self.lock();
            let due = match heap.waiting.first_entry() {
                Some(first) if first.key().0 <= Instant::now() => first.remove(),
                _ => return fired,
            };
            drop(heap);
            due.wake();
            fired += 1;
        }
    }

    /// For drivers that end: every timer is due, now and later.
    pub fn end(&self) {
        let mut heap = self.lock();
        heap.ended = true;
        let waiting = std::mem::take(&mut heap.waiting);
        drop(heap);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Whether anything may wait. In the same order as the parker's state: a driver that falls
    /// asleep and then sees no timer is seen asleep by whoever adds one.
    fn are_any(&self) -> bool {
        self.shared.is_any.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Heap> {
        // Nothing panics while it holds the lock, wakers run outside; the heap is whole anyway.
        self.shared.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("next", &self.next()).finish()
    }
}

/// A future that is ready at an instant.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    timers: Timers,
    until: Instant,
    /// Which entry of the heap is this one's, once it waits.
    number: Option<u64>,
}

impl Sleep {
    /// When it is ready.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut heap = this.timers.lock();
        if heap.ended || Instant::now() >= this.until {
            let number = this.number.take();
            let waker = number.and_then(|number| heap.waiting.remove(&(this.until, number)));
            drop(heap);
            // Foreign code may run now.
            drop(waker);
            return Poll::Ready(());
        }
        let number = *this.number.get_or_insert_with(|| {
            heap.last_number += 1;
            heap.last_number
        });
        let key = (this.until, number);
        let replaced = match heap.waiting.get_mut(&key) {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => heap.waiting.insert(key, cx.waker().clone()),
        };
        this.timers.shared.is_any.store(true, Ordering::SeqCst);
        let first = heap.waiting.first_key_value().is_some_and(|(&first, _)| first == key);
        drop(heap);
        drop(replaced);
        if first {
            this.timers.shared.unparker.nudge_after_lock();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.timers.lock().waiting.remove(&(self.until, number));
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unparker::Parker;
    use std::time::Duration;

    #[test]
    fn due_timers_fire_in_order_and_dropped_ones_not_at_all() {
        let parker = Parker::new().expect("an eventfd");
        let timers = Timers::new(parker.unparker());
        let now = Instant::now();
        let mut cx = Context::from_waker(Waker::noop());
        let mut past = timers.sleep(now);
        assert!(Pin::new(&mut past).poll(&mut cx).is_ready());
        let mut later = timers.sleep(now + Duration::from_secs(3600));
        assert!(Pin::new(&mut later).poll(&mut cx).is_pending());
        assert_eq!(timers.next(), Some(now + Duration::from_secs(3600)));
        assert_eq!(timers.fire(), 0);
        drop(later);
        assert_eq!(timers.next(), None);
        let mut orphan = timers.sleep(now + Duration::from_secs(3600));
        assert!(Pin::new(&mut orphan).poll(&mut cx).is_pending());
        timers.end();
        assert!(Pin::new(&mut orphan).poll(&mut cx).is_ready());
    }
}
