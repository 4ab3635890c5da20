//! `proxy`: relays between sockets of Unix domain and TCP, in either direction.
//!
//! One thread, one loop: TCP waits on the reactor of the backend that has the Unix side (`tcp`), so
//! a message wakes one thread once. An accepted client is one task (`relay`), which holds at most
//! one received chunk for each direction. On a signal the proxy accepts those that wait already,
//! relays for at most [`GRACE`] more, and says what it did.

mod buffer;
mod end;
mod endpoint;
mod ledger;
mod relay;
mod tcp;

pub use endpoint::{Endpoint, HostPort};

use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::{or, yield_now};
use nix::sys::resource::{Resource, getrlimit};
use unix_transport::runtime::Handle;
use unix_transport::{
    AdoptOptions, Backend, Blocking, Epoll, PollRead, Reactor, Runtime, Settings, Transport, Uring,
    is_closed, is_transient,
};

use crate::arguments::{BackendName, ProxyOptions};
use crate::failure::{Failure, Result, warn};
use crate::measure::limits;
use crate::serve::stop::Signals;
use crate::serve::{GRACE, say, selected};
use end::{EndOf, ListeningOf, Sockets, Target};
use ledger::{Entry, Ledger, Totals};

/// How long accepting pauses when descriptors have run out.
const PAUSE: Duration = Duration::from_millis(20);

/// Descriptors that a proxy needs beside its relays, with room to spare.
const OTHER_FILES: u64 = 64;

/// Relays until a signal.
///
/// # Errors
/// Those of opening the backend, looking hosts up, listening and accepting.
pub fn run(options: &ProxyOptions) -> Result<()> {
    if matches!(options.from, Endpoint::Tcp(_))
        && (options.listening.unlink || options.listening.mode.is_some())
    {
        let text = "--mode and --unlink are for a FROM that is a file (see --help)";
        return Err(Failure::Usage(text.to_owned()));
    }
    // Each relay takes two.
    limits::raise_open_files()?;
    // May take long, and then a signal ends it.
    let target = Target::of(&options.to)?;
    // Before anything exists that a signal would leave behind.
    let signals = Signals::expect(None)?;
    let name = match options.listening.backend {
        BackendName::Auto => selected(&options.from)?,
        name => name,
    };
    let totals = match name {
        BackendName::Uring => {
            serve::<Uring, _>(options, target, signals, |on| on.reactor().clone())
        }
        BackendName::Epoll => {
            serve::<Epoll, _>(options, target, signals, |on| on.reactor().clone())
        }
        _ => serve::<Blocking, _>(options, target, signals, |on| on.reactor().clone()),
    };
    say(totals?)
}

fn serve<B: Backend, R: Reactor>(
    options: &ProxyOptions,
    target: Target,
    signals: Signals,
    reactor_of: fn(&B::Transport) -> R,
) -> Result<Totals> {
    let unable = |error| Failure::new(format_args!("listen on {}", options.from), error);
    // The time for what is still being sent is over when the runtime is dropped.
    let mut settings = Settings::default();
    settings.linger = Duration::ZERO;
    let mut runtime = Runtime::<B>::new(&settings).map_err(unable)?;
    let transport = runtime.transport().clone();
    let received = transport.adopt_connection(signals.into_socket(), &AdoptOptions::new());
    let mut signals = received.map_err(unable)?;
    let sockets = Sockets { reactor: reactor_of(&transport), transport };
    let (mut listening, shown) = sockets.listen(&options.from, &options.listening)?;
    let proxy = Arc::new(Proxy {
        sockets,
        target,
        shown,
        most: most_connections(options),
        patience: Duration::from_secs(options.connect_timeout.into()),
        ledger: Arc::default(),
        handle: runtime.handle(),
    });
    let Proxy { shown, ledger, handle, .. } = &*proxy;
    say(format_args!(
        "proxy server listens on {shown} with {}, relays to {}",
        B::NAME,
        options.to
    ))?;
    runtime.block_on(async {
        or(proxy.accept_all(&mut listening), signal(&mut signals)).await?;
        listening.drain();
        let finish = async {
            proxy.accept_all(&mut listening).await?;
            drop(listening);
            ledger.fewer_than(1).await;
            Ok(())
        };
        let out_of_time = async {
            handle.sleep(GRACE).await;
            Ok(())
        };
        or(finish, or(out_of_time, signal(&mut signals))).await
    })?;
    let cut_off = ledger.open_now();
    // Those that are cut off say what they moved.
    drop(runtime);
    Ok(ledger.totals(cut_off))
}

/// Waits for a signal.
async fn signal(signals: &mut (impl PollRead + Unpin)) -> Result<()> {
    // The other end is never closed, so there is no end of stream, and no error.
    _ = signals.read_exact(&mut [0]).await;
    Ok(())
}

/// How many relays there may be at a time.
fn most_connections(options: &ProxyOptions) -> usize {
    let with_open_files = || {
        let (files, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, 0));
        // Whether there is room for one is found out when it comes.
        (files.saturating_sub(OTHER_FILES) / 2).max(1)
    };
    let most = options.max_connections.map_or_else(with_open_files, u64::from);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// What every relay needs.
struct Proxy<T, R> {
    sockets: Sockets<T, R>,
    target: Target,
    /// Where it listens.
    shown: String,
    most: usize,
    /// How long connecting may take.
    patience: Duration,
    ledger: Arc<Ledger>,
    handle: Handle,
}

impl<T: Transport, R: Reactor> Proxy<T, R> {
    /// Accepts, and starts relays, until the listener is drained.
    async fn accept_all(self: &Arc<Self>, listening: &mut ListeningOf<T, R>) -> Result<()> {
        let mut warned = false;
        loop {
            self.ledger.fewer_than(self.most).await;
            match self.sockets.accept(listening).await {
                Ok(client) => {
                    let relay = Arc::clone(self).relay(client, self.ledger.open());
                    self.handle.spawn(relay).detach();
                    // A crowd keeps neither a signal nor those who are relayed waiting.
                    yield_now().await;
                }
                Err(error) if is_closed(&error) => return Ok(()),
                Err(error) if is_transient(&error) => {
                    if !std::mem::replace(&mut warned, true) {
                        let at = &self.shown;
                        warn(format_args!(
                            "accept on {at}: {error}; clients wait until there is room"
                        ));
                    }
                    self.handle.sleep(PAUSE).await;
                }
                Err(error) => {
                    return Err(Failure::new(format_args!("accept on {}", self.shown), error));
                }
            }
        }
    }

    /// The task of one client.
    async fn relay(self: Arc<Self>, client: EndOf<T, R>, mut entry: Entry) {
        match self.sockets.connect(&self.target, self.patience, &self.handle).await {
            Ok(server) => {
                let relayed = relay::relay(client, server, &mut entry).await;
                entry.has_failed = relayed.is_err();
            }
            Err(failure) => {
                warn(failure);
                entry.is_refused = true;
            }
        }
    }
}
