//! When a server stops: SIGINT, SIGTERM, or the end of the process that started it.
//!
//! Signals arrive as bytes on a socket of a pair. So a server on a runtime waits for them with its
//! own backend, as for any connection, and stays a process of one thread, in which the kernel and
//! the C library do every system call a little faster.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{self, pipe};
use unix_transport::{Closer, PollRead};

use super::GRACE;
use crate::failure::{Failure, Result};

/// The signals that came, or will: one byte for each.
#[derive(Debug)]
pub(crate) struct Signals {
    received: UnixStream,
}

/// Whether the server stops, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopping {
    since: Arc<OnceLock<Instant>>,
}

impl Signals {
    /// Takes the signals from now on; none is lost. If `parent`, which started this process, ends,
    /// that is SIGTERM, too.
    pub(crate) fn expect(parent: Option<u32>) -> Result<Signals> {
        let failed = |error| Failure::new("handle signals", error);
        let (received, sender) = UnixStream::pair().map_err(failed)?;
        for signal in [SIGINT, SIGTERM] {
            let sender = sender.try_clone().map_err(failed)?;
            pipe::register(signal, sender).map_err(failed)?;
        }
        if let Some(parent) = parent {
            prctl::set_pdeathsig(Signal::SIGTERM)
                .map_err(|errno| Failure::new("watch the parent process", errno))?;
            // It may have ended before it was watched; its children have another parent then.
            if u32::try_from(getppid().as_raw()) != Ok(parent) {
                low_level::raise(SIGTERM).map_err(failed)?;
            }
        }
        Ok(Signals { received })
    }

    /// The socket, to be adopted by a transport for [`Stopping::on_signals`].
    pub(crate) fn into_socket(self) -> OwnedFd {
        self.received.into()
    }

    /// [`Stopping::on_signals`] in a thread of its own.
    pub(super) fn watch(mut self, stopping: Stopping, closer: Closer) -> Result<()> {
        let watch = move || {
            // The other end is never closed, so there is no end of stream, and no error.
            while self.received.read_exact(&mut [0]).is_ok() {
                stopping.begin(&closer);
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned()).stack_size(64 * 1024);
        thread.spawn(watch).map(drop).map_err(|error| Failure::new("start a thread", error))
    }
}

impl Stopping {
    /// Begins at the first signal that `received`, the socket of [`Signals`], tells of; the second
    /// ends the process.
    pub(super) async fn on_signals(self, mut received: impl PollRead + Unpin, closer: Closer) {
        // As above.
        while received.read_exact(&mut [0]).await.is_ok() {
            self.begin(&closer);
        }
    }

    /// Drains the listener; the second time, ends the process as if SIGTERM were not handled.
    fn begin(&self, closer: &Closer) {
        if self.since.set(Instant::now()).is_ok() {
            closer.drain();
        } else {
            // Fails only for signals that cannot be handled.
            _ = low_level::emulate_default_handler(SIGTERM);
        }
    }

    /// How much of the [`GRACE`] is left; all of it before the stop.
    pub(super) fn time_left(&self) -> Duration {
        GRACE.saturating_sub(self.since.get().map_or(Duration::ZERO, Instant::elapsed))
    }

    /// Whether the [`GRACE`] is over.
    pub(super) fn is_over(&self) -> bool {
        self.time_left().is_zero()
    }
}
