//! Either end of a relay, and where they come from: a socket of one family or the other.

use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use unix_transport::runtime::Handle;
use unix_transport::{
    Address, Chunk, ConnectOptions, Connection, Listener, Reactor, Source, Transport,
};

use super::endpoint::Endpoint;
use super::tcp::{TcpListener, TcpStream};
use crate::arguments::ListenArguments;
use crate::failure::{Failure, Result};

/// A backend's transport, and its reactor for TCP.
pub(super) struct Sockets<T, R> {
    pub(super) transport: T,
    pub(super) reactor: R,
}

/// What clients come to.
pub(super) enum Listening<L, S> {
    Unix(L),
    Tcp(TcpListener<S>),
}

/// Where each client's relay goes to; a host name was looked up.
pub(super) enum Target {
    Unix(Address),
    Tcp { shown: String, addresses: Vec<SocketAddr> },
}

/// One end of a relay.
pub(super) enum End<C, S> {
    Unix(C),
    Tcp(TcpStream<S>),
}

/// What listens on a transport and a reactor.
pub(super) type ListeningOf<T, R> = Listening<<T as Transport>::Listener, <R as Reactor>::Source>;

/// An end on a transport and a reactor.
pub(super) type EndOf<T, R> = End<<T as Transport>::Connection, <R as Reactor>::Source>;

impl<T: Transport, R: Reactor> Sockets<T, R> {
    /// Listens on `at`; also the address as it is shown, with the port that the system chose.
    pub(super) fn listen(
        &self,
        at: &Endpoint,
        options: &ListenArguments,
    ) -> Result<(ListeningOf<T, R>, String)> {
        match at {
            Endpoint::Unix(address) => {
                let listener = self.transport.listen(address, &options.options())?;
                Ok((Listening::Unix(listener), at.to_string()))
            }
            Endpoint::Tcp(host_port) => {
                let listen = || {
                    let addresses = host_port.resolve()?;
                    let backlog = options.backlog.unwrap_or(u32::MAX);
                    let listener = TcpListener::listen(&self.reactor, &addresses, backlog)?;
                    let shown = format!("tcp:{}", listener.local_address()?);
                    Ok((Listening::Tcp(listener), shown))
                };
                let failed = |error: io::Error| Failure::new(format_args!("listen on {at}"), error);
                listen().map_err(failed)
            }
        }
    }

    /// The next client, as [`Listener::poll_accept`].
    pub(super) async fn accept(
        &self,
        listening: &mut ListeningOf<T, R>,
    ) -> io::Result<EndOf<T, R>> {
        match listening {
            Listening::Unix(listener) => {
                listener.accept().await.map(|(client, _)| End::Unix(client))
            }
            Listening::Tcp(listener) => {
                let accepted = poll_fn(|cx| listener.poll_accept(cx)).await?;
                TcpStream::new(&self.reactor, accepted).map(End::Tcp)
            }
        }
    }

    /// Connects to `target`, for no longer than `limit`.
    pub(super) async fn connect(
        &self,
        target: &Target,
        limit: Duration,
        handle: &Handle,
    ) -> Result<EndOf<T, R>> {
        match target {
            Target::Unix(address) => {
                let options = ConnectOptions::new().timeout(limit);
                Ok(End::Unix(self.transport.connect(address, &options).await?))
            }
            Target::Tcp { shown, addresses } => {
                let connecting = TcpStream::connect(&self.reactor, addresses);
                let connected = handle.timeout(limit, connecting).await.and_then(|within| within);
                let failed = |error| Failure::new(format_args!("connect to {shown}"), error);
                connected.map(End::Tcp).map_err(failed)
            }
        }
    }
}

impl<L: Listener, S: Source> Listening<L, S> {
    /// From now on, accepting ends when nobody waits any more.
    pub(super) fn drain(&mut self) {
        match self {
            Listening::Unix(listener) => listener.closer().drain(),
            Listening::Tcp(listener) => listener.drain(),
        }
    }
}

impl Target {
    /// Where `to` is. Blocks while a name is looked up; connects to nothing.
    pub(super) fn of(to: &Endpoint) -> Result<Target> {
        match to {
            Endpoint::Unix(address) => Ok(Target::Unix(address.clone())),
            Endpoint::Tcp(host_port) => {
                let addresses = host_port.resolve();
                let failed = |error| Failure::new(format_args!("look up {to}"), error);
                Ok(Target::Tcp { shown: to.to_string(), addresses: addresses.map_err(failed)? })
            }
        }
    }
}

/// As [`PollRead`](unix_transport::PollRead) and [`PollWrite`](unix_transport::PollWrite) have them.
impl<C: Connection, S: Source> End<C, S> {
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        match self {
            End::Unix(connection) => connection.poll_recv(cx),
            End::Tcp(stream) => stream.poll_recv(cx),
        }
    }

    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Chunk,
    ) -> Poll<io::Result<()>> {
        match self {
            End::Unix(connection) => connection.poll_send(cx, chunk).map_ok(drop),
            End::Tcp(stream) => stream.poll_send(cx, chunk),
        }
    }

    pub(super) fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            End::Unix(connection) => connection.poll_close_write(cx),
            End::Tcp(stream) => Poll::Ready(stream.shutdown(Shutdown::Write)),
        }
    }

    pub(super) fn close_read(&mut self) -> io::Result<()> {
        match self {
            End::Unix(connection) => connection.close_read(),
            End::Tcp(stream) => stream.shutdown(Shutdown::Read),
        }
    }
}
