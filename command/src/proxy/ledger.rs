//! What a proxy did, and how many relays are open.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use atomic_waker::AtomicWaker;

use crate::output::counted;

/// All relays of a proxy.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sums: Mutex<Sums>,
    ended: AtomicWaker,
}

#[derive(Debug, Default)]
struct Sums {
    open: usize,
    totals: Totals,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    connections: u64,
    refused: u64,
    failed: u64,
    cut_off: usize,
    there: u64,
    back: u64,
}

/// One client's account, which the ledger gets when it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    ledger: Arc<Ledger>,
    /// How many bytes came from the client.
    pub(super) there: u64,
    /// How many bytes came from its server.
    pub(super) back: u64,
    /// There is no server for it.
    pub(super) is_refused: bool,
    /// The relay ended with an error.
    pub(super) has_failed: bool,
}

impl Ledger {
    /// Counts a client as open until the entry is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Entry {
        let mut sums = self.sums();
        sums.open += 1;
        sums.totals.connections += 1;
        drop(sums);
        let ledger = Arc::clone(self);
        Entry { ledger, there: 0, back: 0, is_refused: false, has_failed: false }
    }

    /// Waits until fewer than `limit` are open. For one task at a time.
    pub(super) async fn fewer_than(&self, limit: usize) {
        poll_fn(|cx| {
            self.ended.register(cx.waker());
            match self.sums().open < limit {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// How many are open.
    pub(super) fn open_now(&self) -> usize {
        self.sums().open
    }

    /// The sums, of which `cut_off` relays did not end by themselves.
    pub(super) fn totals(&self, cut_off: usize) -> Totals {
        Totals { cut_off, ..self.sums().totals }
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // Nothing panics while it holds the lock.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut sums = self.ledger.sums();
        sums.open -= 1;
        sums.totals.there += self.there;
        sums.totals.back += self.back;
        sums.totals.refused += u64::from(self.is_refused);
        sums.totals.failed += u64::from(self.has_failed);
        drop(sums);
        self.ledger.ended.wake();
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { connections, refused, failed, cut_off, there, back } = *self;
        let connections = counted(connections, "connection");
        write!(f, "relayed {connections}, {} there, {back} back", counted(there, "byte"))?;
        if refused > 0 {
            write!(f, "; {} had no server", counted(refused, "connection"))?;
        }
        if failed > 0 {
            write!(f, "; {} ended with an error", counted(failed, "connection"))?;
        }
        if cut_off > 0 {
            write!(f, "; {} did not end in time", counted(cut_off as u64, "connection"))?;
        }
        Ok(())
    }
}
