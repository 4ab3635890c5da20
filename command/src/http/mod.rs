//! `http`: the files of a folder over HTTP, on a Unix socket.
//!
//! One thread, one loop: the backend moves the sockets, and `serve_router` needs no other. Files
//! are read by tokio's pool of threads, since no file has readiness to wait for; its runtime waits
//! for nothing else, and has no epoll. On a signal the server answers those that wait already and
//! what has begun, for at most [`GRACE`], and says what it did.

mod folder;
mod ledger;
mod listener;
mod site;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_lite::future::or;
use unix_transport::adapters::axum::serve_router;
use unix_transport::runtime::Handle;
use unix_transport::{
    AdoptOptions, AnyListener, AnyTransport, Auto, Listener, PollRead, Runtime, Settings,
    Transport as _, activation, select,
};

use crate::arguments::{self, BackendName, HttpOptions};
use crate::failure::{Failure, Result};
use crate::measure::limits;
use crate::serve::stop::Signals;
use crate::serve::{GRACE, say, selected};
use folder::Folder;
use ledger::Ledger;
use listener::Counted;

/// Serves until a signal.
///
/// # Errors
/// Those of opening the folder and the backend, listening and accepting.
pub fn run(options: &HttpOptions) -> Result<()> {
    limits::raise_open_files()?;
    // Before anything exists that a signal would leave behind.
    let signals = Signals::expect(None)?;
    let unable = |cause| Failure::new(format_args!("serve {}", options.root.display()), cause);
    let folder = Folder::open(&options.root).map_err(unable)?;
    let files = tokio::runtime::Builder::new_current_thread().build().map_err(unable)?;
    let entered = files.enter();

    // The time for what is still being sent is over when the runtime is dropped.
    let mut settings = Settings::default();
    settings.linger = Duration::ZERO;
    let name = match options.listening.backend {
        BackendName::Auto => selected(shown(options))?,
        name => name,
    };
    let backend = select(name.name(), &settings)?;
    let mut runtime = Runtime::<Auto>::from_parts(backend.transport, backend.driver);
    let received =
        runtime.transport().adopt_connection(signals.into_socket(), &AdoptOptions::new());
    let mut signals = received?;
    let listener = listen(options, runtime.transport())?;
    let (address, root) = (listener.local_address(), options.root.display());
    say(format_args!("http server listens on {address} with {}, serves {root}", backend.name))?;

    let ledger = Arc::<Ledger>::default();
    let router = site::router(folder, Arc::clone(&ledger));
    let listener = Counted::new(listener, Arc::clone(&ledger));
    runtime.block_on(serve(listener, router, &mut signals, runtime.handle()))?;
    let totals = ledger.totals();
    drop(entered);
    // A file that can't be read for now keeps nobody here.
    files.shutdown_background();
    say(totals)
}

/// Serves until a signal, and then what has begun, at most for [`GRACE`] or until the next.
async fn serve(
    listener: impl Listener,
    router: Router,
    signals: &mut (impl PollRead + Unpin),
    handle: Handle,
) -> Result<()> {
    let (address, closer) = (listener.local_address().clone(), listener.closer());
    let serving = async {
        let served = serve_router(handle.clone(), listener, router).await;
        served.map_err(|error| Failure::new(format_args!("accept on {address}"), error))
    };
    let stopping = async {
        signal(signals).await;
        closer.drain();
        _ = handle.timeout(GRACE, signal(signals)).await;
        Ok(())
    };
    or(serving, stopping).await
}

/// Where it listens, before it does.
fn shown(options: &HttpOptions) -> String {
    match &options.path {
        Some(path) => path.display().to_string(),
        None => "the passed socket".to_owned(),
    }
}

/// The listener at the path that was asked for, or the one that was passed.
fn listen(options: &HttpOptions, transport: &AnyTransport) -> Result<AnyListener> {
    let Some(path) = &options.path else {
        let unable = |cause: &dyn std::fmt::Display| Failure::new("take the passed socket", cause);
        let mut passed = activation::listeners().map_err(|error| unable(&error))?;
        return match (passed.pop(), passed.len()) {
            (Some((_, socket)), 0) => Ok(transport.adopt_listener(socket, &AdoptOptions::new())?),
            (None, _) => Err(unable(&"LISTEN_FDS and LISTEN_PID pass none to this process")),
            (Some(_), more) => Err(unable(&format_args!("{} were passed, not one", more + 1))),
        };
    };
    let address = arguments::address("listen on", path)?;
    Ok(transport.listen(&address, &options.listening.options())?)
}

/// Waits for a signal.
async fn signal(signals: &mut (impl PollRead + Unpin)) {
    // The other end is never closed, so there is no end of stream, and no error.
    _ = signals.read_exact(&mut [0]).await;
}
