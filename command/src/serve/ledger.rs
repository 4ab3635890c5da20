//! What a server did: connections, messages and bytes, and how many connections are open.

use std::fmt;
use std::future::poll_fn;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;

use crate::output::counted;

/// The connections of one thread's runtime, or of a whole server.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    open: AtomicU64,
    connections: AtomicU64,
    failed: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    emptied: AtomicWaker,
}

/// One open connection's account, which the ledger gets when it is dropped: counting costs no
/// atomic operation per message.
#[derive(Debug)]
pub(super) struct Entry {
    ledger: Arc<Ledger>,
    messages: u64,
    bytes: u64,
    failed: bool,
}

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    connections: u64,
    failed: u64,
    cut_off: u64,
    messages: u64,
    bytes: u64,
}

impl Ledger {
    /// Counts a connection as open, until the entry is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Entry {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
        Entry { ledger: Arc::clone(self), messages: 0, bytes: 0, failed: false }
    }

    /// Waits until no connection is open. For one task at a time.
    pub(super) async fn emptied(&self) {
        poll_fn(|cx| {
            self.emptied.register(cx.waker());
            match self.open.load(Ordering::Acquire) {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    /// The sums now; what is open now is about to be cut off. An entry that is still open is
    /// counted as a connection, without its messages.
    pub(super) fn totals(&self) -> Totals {
        Totals {
            connections: self.connections.load(Ordering::Acquire),
            failed: self.failed.load(Ordering::Acquire),
            cut_off: self.open.load(Ordering::Acquire),
            messages: self.messages.load(Ordering::Acquire),
            bytes: self.bytes.load(Ordering::Acquire),
        }
    }
}

impl Entry {
    /// Counts what one read brought.
    pub(super) fn received(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    /// The connection ended with an error.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// How many bytes were received.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let ledger = &*self.ledger;
        ledger.messages.fetch_add(self.messages, Ordering::Relaxed);
        ledger.bytes.fetch_add(self.bytes, Ordering::Relaxed);
        ledger.failed.fetch_add(u64::from(self.failed), Ordering::Relaxed);
        if ledger.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            ledger.emptied.wake();
        }
    }
}

impl Totals {
    /// How many connections there were.
    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    /// The sums after everything that was open was cut off, which is no failure of those
    /// connections; `before` are the sums before that.
    pub(super) fn after_cut_off(self, before: Totals) -> Totals {
        Totals { cut_off: before.cut_off, failed: before.failed, ..self }
    }
}

impl Add for Totals {
    type Output = Totals;

    fn add(self, other: Totals) -> Totals {
        Totals {
            connections: self.connections + other.connections,
            failed: self.failed + other.failed,
            cut_off: self.cut_off + other.cut_off,
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { connections, failed, cut_off, messages, bytes } = *self;
        let connections = counted(connections, "connection");
        write!(
            f,
            "served {connections}, {}, {}",
            counted(messages, "message"),
            counted(bytes, "byte")
        )?;
        if failed > 0 {
            write!(f, "; {} ended with an error", counted(failed, "connection"))?;
        }
        if cut_off > 0 {
            write!(f, "; {} did not end in time", counted(cut_off, "connection"))?;
        }
        Ok(())
    }
}
