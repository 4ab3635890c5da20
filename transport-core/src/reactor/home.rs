//! Where a reactor is at home: on the thread that runs its driver, as long as it does.
//!
//! There a waker is put down for the driver, and taken up by it, without an atomic operation.
#![expect(unsafe_code, reason = "shares cells that only one thread at a time may touch")]

use std::cell::Cell;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The home of one reactor. One thread at a time is in it; any thread may be, one after another.
#[derive(Clone, Debug)]
pub struct Home(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The thread that is in it, or [`NOBODY`].
    thread: AtomicUsize,
    /// Whether anybody ever waited elsewhere.
    waits_elsewhere: AtomicBool,
}

const NOBODY: usize = 0;

/// This thread; no other that lives has the same.
fn this_thread() -> usize {
    thread_local!(static OWN: u8 = const { 0 });
    OWN.with(|own| ptr::from_ref(own).addr())
}

impl Home {
    pub(super) fn new() -> Home {
        Home(Arc::default())
    }

    /// Calls `f` at home: for whoever turns a driver and polls the tasks that wait for it on the same
    /// thread, which costs less there. Meanwhile only this thread may turn the driver, or those who
    /// wait are not woken. While another thread is in this home, `f` runs all the same, elsewhere.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _stay = self.enter();
        f()
    }

    /// `None` if this thread is in it, or another.
    fn enter(&self) -> Option<Stay<'_>> {
        if self.is_here() {
            return None;
        }
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let entered = self.0.thread.compare_exchange(NOBODY, this_thread(), success, failure);
        entered.is_ok().then(|| Stay(self))
    }

    pub(super) fn is_here(&self) -> bool {
        self.0.thread.load(Ordering::Relaxed) == this_thread()
    }

    /// Notes that somebody waits elsewhere, who looks after this at what they wait for.
    pub(super) fn wait_elsewhere(&self) {
        if !self.0.waits_elsewhere.load(Ordering::Acquire) {
            self.0.waits_elsewhere.swap(true, Ordering::AcqRel);
        }
    }

    /// Whether somebody may wait elsewhere who does not see what was noted before this. (Both are
    /// read-modify-writes: if this one is the first of the two, the other sees what came before it.)
    pub(super) fn is_awaited_elsewhere(&self) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        self.0.waits_elsewhere.compare_exchange(false, false, success, failure).is_err()
    }
}

/// Leaves when dropped, on the thread that entered.
struct Stay<'a>(&'a Home);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.0.0.thread.store(NOBODY, Ordering::Release);
    }
}

/// Cells that can be reached at home only.
pub(super) struct HomeCells<T, const N: usize> {
    home: Home,
    values: [Cell<T>; N],
}

// SAFETY: the values are touched by `replace` alone, on the thread whose name lies in the home: only
// that thread writes it there, where nobody's was, and takes it back before it ends. What one thread
// left is seen by the next, which acquires what leaving released. Values move between them, so `T` must
// be `Send`.
unsafe impl<T: Send, const N: usize> Sync for HomeCells<T, N> {}

impl<T: Default, const N: usize> HomeCells<T, N> {
    pub(super) fn new(home: &Home) -> HomeCells<T, N> {
        HomeCells { home: home.clone(), values: std::array::from_fn(|_| Cell::default()) }
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Exchanges what is inside one; gives `value` back where that can't be reached.
    pub(super) fn replace(&self, which: usize, value: T) -> Result<T, T> {
        match self.home.is_here() {
            true => Ok(self.values[which].replace(value)),
            false => Err(value),
        }
    }
}

impl<T, const N: usize> fmt::Debug for HomeCells<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HomeCells").field("home", &self.home).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_cell_is_reached_at_home_only() {
        let home = Home::new();
        let cells = HomeCells::<u32, 1>::new(&home);
        let replace = |value| cells.replace(0, value);
        assert_eq!(replace(2), Err(2), "nobody is at home");
        home.run(|| {
            assert_eq!(replace(2), Ok(0));
            Home::new().run(|| assert_eq!(replace(3), Ok(2), "one can be in two"));
            home.run(|| assert_eq!(replace(4), Ok(3), "one is in it already"));
            assert_eq!(replace(5), Ok(4), "leaving the inner one is not leaving");
            thread::scope(|scope| {
                let other = scope.spawn(|| home.run(|| replace(6)));
                assert_eq!(other.join().unwrap(), Err(6), "another thread can't enter");
            });
        });
        assert_eq!(replace(6), Err(6), "everyone has left");
        thread::scope(|scope| {
            let other = scope.spawn(|| home.run(|| replace(6)));
            assert_eq!(other.join().unwrap(), Ok(5), "the next may be another thread");
        });
    }

    #[test]
    fn who_panics_has_left() {
        let home = Home::new();
        let panicked = std::panic::catch_unwind(|| home.run(|| panic!("inside")));
        assert!(panicked.is_err());
        assert!(!home.is_here());
        assert!(home.enter().is_some());
    }
}
