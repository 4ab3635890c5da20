//! The sources of one reactor, as its driver finds them by the token that the kernel gives back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use slab::Slab;

use crate::closer::Closer;
use crate::error::driver_gone;
use crate::reactor::Home;
use crate::reactor::cached::{CachedReadiness, Event};

/// Names a source to the kernel: its place, and the generation of that place, so that a late event
/// does not reach whoever has the place now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// The token of a place in its generation, below 2^28.
    #[must_use]
    pub const fn new(place: usize, generation: u32) -> Token {
        Token((generation as u64) << 32 | place as u64)
    }

    /// From what the kernel gave back.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Token {
        Token(bits)
    }

    /// For the kernel.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The place.
    #[must_use]
    pub fn place(self) -> usize {
        self.0 as u32 as usize
    }

    /// The generation of the place.
    #[must_use]
    pub fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// All sources of one reactor. `T` is what the reactor itself needs to know of each.
#[derive(Debug)]
pub struct Registry<T> {
    inner: Mutex<Inner<T>>,
    home: Home,
}

#[derive(Debug)]
struct Inner<T> {
    slots: Slab<Slot<T>>,
    generation: u32,
    listeners: Vec<Closer>,
    ended: bool,
}

#[derive(Debug)]
struct Slot<T> {
    readiness: Arc<CachedReadiness>,
    generation: u32,
    data: T,
}

impl<T> Default for Registry<T> {
    fn default() -> Registry<T> {
        let inner =
            Inner { slots: Slab::new(), generation: 0, listeners: Vec::new(), ended: false };
        Registry { inner: Mutex::new(inner), home: Home::new() }
    }
}

impl<T> Registry<T> {
    /// A place for a source.
    ///
    /// # Errors
    /// [`driver_gone`] after the end.
    pub fn insert(&self, data: T) -> std::io::Result<(Token, Arc<CachedReadiness>)> {
        let mut inner = self.lock();
        if inner.ended {
            return Err(driver_gone());
        }
        // A place is used again at most once in 2^28 generations, so late events miss it.
        inner.generation = (inner.generation + 1) & 0x0fff_ffff;
        let generation = inner.generation;
        let readiness = Arc::new(CachedReadiness::new(&self.home));
        let slot = Slot { readiness: Arc::clone(&readiness), generation, data };
        let place = inner.slots.insert(slot);
        Ok((Token::new(place, generation), readiness))
    }

    /// Gives the place up.
    pub fn remove(&self, token: Token) {
        let mut inner = self.lock();
        if inner.slots.get(token.place()).is_some_and(|slot| slot.generation == token.generation())
        {
            let slot = inner.slots.remove(token.place());
            drop(inner);
            // Its wakers may do anything when they are dropped.
            drop(slot);
        }
    }

    /// Where whoever waits costs least.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// For drivers: notes events, each with the token that it came with, and puts those to wake
    /// into `woken`. Answers how many concerned a source that is still there.
    pub fn note(
        &self,
        events: impl IntoIterator<Item = (Token, Event), IntoIter: Clone>,
        woken: &mut Vec<Waker>,
    ) -> usize {
        let inner = self.lock();
        let events = events.into_iter().filter_map(|(token, event)| {
            let slot = inner.slots.get(token.place())?;
            (slot.generation == token.generation()).then_some((&slot.readiness, event))
        });
        self.home.run(|| {
            let mut noted = 0;
            for (readiness, event) in events.clone() {
                readiness.note(event, woken);
                noted += 1;
            }
            if self.home.is_awaited_elsewhere() {
                events.for_each(|(readiness, event)| readiness.wake_elsewhere(event, woken));
            }
            noted
        })
    }

    /// Calls `with` for each source.
    pub fn for_each(&self, mut with: impl FnMut(Token, &T, &CachedReadiness)) {
        for (place, slot) in &self.lock().slots {
            with(Token::new(place, slot.generation), &slot.data, &slot.readiness);
        }
    }

    /// Closes this listener at the end.
    pub fn close_at_end(&self, closer: Closer) {
        let mut inner = self.lock();
        inner.listeners.retain(|listener| !listener.is_closed());
        inner.listeners.push(closer);
    }

    /// Whether the driver is gone.
    pub fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// The driver is gone: closes the listeners, and fails whoever waits.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let listeners = std::mem::take(&mut inner.listeners);
        let sources: Vec<_> =
            inner.slots.iter().map(|(_, slot)| Arc::clone(&slot.readiness)).collect();
        drop(inner);
        listeners.iter().for_each(Closer::close);
        self.home.run(|| sources.iter().for_each(|source| source.end()));
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Wakers run outside the lock, so nothing panics inside.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::reactor::{Interest, Progress};

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(readiness: &CachedReadiness, waker: &Arc<Counted>) -> bool {
        let waker = Waker::from(Arc::clone(waker));
        let attempt = || Ok(Progress::Drained(()));
        let cx = &mut Context::from_waker(&waker);
        let polled = readiness.poll_io(cx, Interest::Read, attempt, || {});
        matches!(polled, Poll::Ready(Ok(())))
    }

    fn tell(registry: &Registry<()>, token: Token) {
        let mut woken = Vec::new();
        assert_eq!(registry.note([(token, Event::READ)], &mut woken), 1);
        woken.into_iter().for_each(Waker::wake);
    }

    #[test]
    fn who_waits_is_woken_at_home_and_elsewhere() {
        let registry = Registry::default();
        let (token, readiness) = registry.insert(()).unwrap();
        let waiters: [Arc<Counted>; 2] = Default::default();
        let count = || waiters.each_ref().map(|waiter| waiter.0.load(Ordering::Relaxed));
        assert!(poll(&readiness, &waiters[0]), "the first attempt waits for nothing");
        // By a driver of the same thread, and by one of another.
        registry.home().run(|| assert!(!poll(&readiness, &waiters[0])));
        tell(&registry, token);
        assert_eq!(count(), [1, 0]);
        registry.home().run(|| {
            assert!(poll(&readiness, &waiters[0]));
            assert!(!poll(&readiness, &waiters[0]));
            thread::scope(|scope| {
                let elsewhere = scope.spawn(|| poll(&readiness, &waiters[1]));
                assert!(!elsewhere.join().unwrap());
            });
            tell(&registry, token);
        });
        assert_eq!(count(), [2, 1]);
        registry.home().run(|| {
            assert!(poll(&readiness, &waiters[0]));
            assert!(!poll(&readiness, &waiters[0]));
        });
        registry.end();
        assert_eq!(count(), [3, 1]);
    }

    /// Who waits elsewhere for the first time, while there is an event, either sees it or is woken. (It
    /// takes optimised code, or Miri, to get that wrong.)
    #[test]
    fn the_first_wait_elsewhere_is_not_overlooked() {
        const ROUNDS: usize = if cfg!(miri) { 20 } else { 20_000 };
        let rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let registry = Registry::default();
                let (token, readiness) = registry.insert(()).unwrap();
                assert!(poll(&readiness, &Arc::default()));
                (registry, token, readiness, Arc::<Counted>::default())
            })
            .collect();
        // Both threads begin a round together.
        let begun = [const { AtomicUsize::new(0) }; 2];
        let begin = |mine: usize, round: usize| {
            begun[mine].store(round + 1, Ordering::SeqCst);
            let is_alone = || begun[1 - mine].load(Ordering::SeqCst) <= round;
            while (0..1000).all(|_| is_alone()) {
                thread::yield_now();
            }
        };
        // And in each one is a little later than the other, by another bit.
        let pause = |length| (0..length).for_each(|_| std::hint::spin_loop());
        // As many rounds as there is time for.
        let (start, last) = (Instant::now(), AtomicUsize::new(ROUNDS));
        let is_over = |round| last.load(Ordering::SeqCst) == round;
        let mut saw = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                for (round, (registry, token, ..)) in rounds.iter().enumerate() {
                    begin(0, round);
                    if is_over(round) {
                        break;
                    }
                    pause(round % 50);
                    tell(registry, *token);
                }
            });
            for (round, (.., readiness, waiter)) in rounds.iter().enumerate() {
                if start.elapsed() > Duration::from_secs(1) {
                    last.store(round, Ordering::SeqCst);
                }
                begin(1, round);
                if is_over(round) {
                    break;
                }
                pause(round / 50 % 50);
                saw.push(poll(readiness, waiter));
            }
        });
        for (saw, (.., waiter)) in saw.into_iter().zip(&rounds) {
            assert!(saw || waiter.0.load(Ordering::Relaxed) == 1);
        }
    }
}
