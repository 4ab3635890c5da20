//! Listeners and connections over readiness: the one implementation that epoll, the ring's
//! borrowed path, the blocking backend's trait face and hosted sockets share.
//!
//! [`Readiness<R>`](Readiness) is the transport; [`Reactor`] says when a descriptor is ready.

mod connection;
mod deadline;
mod listener;
mod read;
mod short_reads;
mod write;

pub use connection::ReadyConnection;
pub use deadline::Deadline;
pub use listener::ReadyListener;
pub use read::ReadyReadHalf;
pub use write::ReadyWriteHalf;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use crate::address::Address;
use crate::error::{Cause, Error, Result};
use crate::options::{AdoptOptions, ConnectOptions, Descriptors, ListenOptions};
use crate::reactor::{Reactor, SharedFd};
use crate::readiness::short_reads::History;
use crate::socket::{self, Dial, Dialled, ListenerState, Mode};
use crate::transport::Transport;

/// A transport whose sockets wait by readiness.
pub struct Readiness<R> {
    context: Arc<Context<R>>,
}

/// What all sockets of one transport share.
pub(crate) struct Context<R> {
    pub(crate) reactor: R,
}

impl<R: Reactor> Readiness<R> {
    /// A transport on `reactor`.
    #[must_use]
    pub fn new(reactor: R) -> Readiness<R> {
        Readiness { context: Arc::new(Context { reactor }) }
    }

    /// The reactor.
    #[must_use]
    pub fn reactor(&self) -> &R {
        &self.context.reactor
    }

    /// The first handle of a listener, which ends with this transport's driver.
    fn listener(
        &self,
        state: Arc<ListenerState>,
        operation: &'static str,
    ) -> Result<ReadyListener<R>> {
        let context = Arc::clone(&self.context);
        let fd = SharedFd::clone(state.fd());
        self.context.reactor.close_at_end(state.closer());
        ReadyListener::new(context, Arc::clone(&state), fd)
            .map_err(|e| Error::new(operation, Some(state.address()), e))
    }

    /// Another handle of a listener, which this transport's driver drives from now on.
    ///
    /// # Errors
    /// As [`Transport::share_listener`].
    pub fn share_state(&self, state: &Arc<ListenerState>) -> Result<ReadyListener<R>> {
        let context = Arc::clone(&self.context);
        let shared =
            state.duplicate().and_then(|fd| ReadyListener::new(context, Arc::clone(state), fd));
        shared.map_err(|e| Error::new("share the listener on", Some(state.address()), e))
    }

    fn connection(
        &self,
        fd: SharedFd,
        descriptors: Descriptors,
        history: History,
    ) -> std::io::Result<ReadyConnection<R>> {
        connection::connect(Arc::clone(&self.context), fd, descriptors, history)
    }
}

impl<R: Reactor> Transport for Readiness<R> {
    type Listener = ReadyListener<R>;
    type Connection = ReadyConnection<R>;

    fn listen(&self, at: &Address, options: &ListenOptions) -> Result<ReadyListener<R>> {
        let state = socket::listen(at, options)?;
        let listener = self.listener(Arc::clone(&state), "listen on");
        if listener.is_err() {
            state.remove_file();
        }
        listener
    }

    fn share_listener(&self, of: &ReadyListener<R>) -> Result<ReadyListener<R>> {
        self.share_state(of.state())
    }

    async fn connect(&self, to: &Address, options: &ConnectOptions) -> Result<ReadyConnection<R>> {
        let mut dial = Dial::new(to, options, Mode::NonBlocking)?;
        loop {
            match dial.attempt()? {
                Dialled::Connected(fd) => {
                    let fd = SharedFd::of_new_socket(fd);
                    let connection = self.connection(fd, options.descriptors, History::Known);
                    return connection.map_err(|e| Error::new("connect to", Some(to), e));
                }
                Dialled::Full(again, pause) => {
                    dial = again;
                    self.context.reactor.sleep(Instant::now() + pause).await;
                    if self.context.reactor.is_ended() {
                        return Err(Error::new("connect to", Some(to), Cause::DriverGone));
                    }
                }
            }
        }
    }

    fn adopt_listener(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<ReadyListener<R>> {
        self.listener(socket::adopt_listener(fd, options)?, "adopt the listener on")
    }

    fn adopt_connection(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<ReadyConnection<R>> {
        let fd = socket::adopt_connection(fd, Mode::NonBlocking, options)?;
        self.connection(SharedFd::new(fd), options.descriptors, History::Unknown)
            .map_err(|e| Error::new("adopt a connection", None, e))
    }

    fn pair(&self, options: &AdoptOptions) -> Result<(ReadyConnection<R>, ReadyConnection<R>)> {
        let (one, other) = socket::pair(Mode::NonBlocking, options)?;
        let make = |fd| {
            let fd = SharedFd::of_new_socket(fd);
            self.connection(fd, options.descriptors, History::Known)
                .map_err(|e| Error::new("make a pair", None, e))
        };
        Ok((make(one)?, make(other)?))
    }
}

impl<R> Clone for Readiness<R> {
    fn clone(&self) -> Readiness<R> {
        Readiness { context: Arc::clone(&self.context) }
    }
}

impl<R> fmt::Debug for Readiness<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}
