//! Ctrl-C during a measurement: seen between two slices, so that servers and files are removed
//! before the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::{Failure, Result};

/// Whether SIGINT or SIGTERM came.
#[derive(Clone, Debug)]
pub struct Interruption {
    came: Arc<AtomicBool>,
}

impl Interruption {
    /// Takes the signals from now on: they no longer end the process by themselves.
    ///
    /// # Errors
    /// Those of `sigaction(2)`.
    pub fn expect() -> Result<Interruption> {
        let came = Arc::<AtomicBool>::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&came))
                .map_err(|error| Failure::new("handle signals", error))?;
        }
        Ok(Interruption { came })
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// After a signal: "interrupted".
    pub fn check(&self) -> Result<()> {
        match self.came.load(Ordering::Relaxed) {
            true => Err(Failure::Operation("interrupted".to_owned())),
            false => Ok(()),
        }
    }
}
