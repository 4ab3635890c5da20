//! When a server stops: SIGINT, SIGTERM, or the end of its standard input.

use std::io::{self, Read as _};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use unix_transport::Closer;

use super::GRACE;
use crate::failure::{Failure, Result};

/// Signals that were received, or will be.
#[derive(Debug)]
pub(super) struct Stop {
    signals: Signals,
}

/// Whether the server stops, and since when.
#[derive(Clone, Debug)]
pub(super) struct Stopping {
    since: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// Takes the signals from now on; none is lost until [`drain`](Self::drain).
    pub(super) fn on_signals(until_input_ends: bool) -> Result<Stop> {
        let signals = Signals::new([SIGINT, SIGTERM])
            .map_err(|error| Failure::new("handle signals", error))?;
        if until_input_ends {
            start_thread("input", raise_at_end_of_input)?;
        }
        Ok(Stop { signals })
    }

    /// Drains the listener of `closer` at the first signal; the second ends the process, as if it
    /// were not handled.
    pub(super) fn drain(mut self, closer: Closer) -> Result<Stopping> {
        let stopping = Stopping { since: Arc::default() };
        let begun = stopping.clone();
        start_thread("signals", move || {
            for signal in self.signals.forever() {
                if begun.since.set(Instant::now()).is_ok() {
                    closer.drain();
                } else {
                    // Fails only for signals that cannot be handled.
                    _ = low_level::emulate_default_handler(signal);
                }
            }
        })?;
        Ok(stopping)
    }
}

impl Stopping {
    /// How much of the [`GRACE`] is left; all of it before the stop.
    pub(super) fn time_left(&self) -> Duration {
        GRACE.saturating_sub(self.since.get().map_or(Duration::ZERO, Instant::elapsed))
    }

    /// Whether the [`GRACE`] is over.
    pub(super) fn is_over(&self) -> bool {
        self.time_left().is_zero()
    }
}

fn raise_at_end_of_input() {
    // Whatever is read means nothing; an error is an end, too.
    _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
    // Fails only for signals that don't exist.
    _ = low_level::raise(SIGTERM);
}

fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(64 * 1024);
    builder.spawn(run).map(drop).map_err(|error| Failure::new("start a thread", error))
}
