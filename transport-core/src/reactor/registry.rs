//! The sources of one reactor, as its driver finds them by the token that the kernel gives back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use slab::Slab;

use crate::closer::Closer;
use crate::error::driver_gone;
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
        Registry { inner: Mutex::new(inner) }
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
        let readiness = Arc::<CachedReadiness>::default();
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

    /// For drivers: notes events, each with the token that it came with, and puts those to wake
    /// into `woken`. Answers how many concerned a source that is still there.
    pub fn note(
        &self,
        events: impl IntoIterator<Item = (Token, Event)>,
        woken: &mut Vec<Waker>,
    ) -> usize {
        let inner = self.lock();
        let mut noted = 0;
        for (token, event) in events {
            if let Some(slot) = inner.slots.get(token.place())
                && slot.generation == token.generation()
            {
                slot.readiness.note(event, woken);
                noted += 1;
            }
        }
        noted
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
        sources.iter().for_each(|source| source.end());
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Wakers run outside the lock, so nothing panics inside.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
