//! TCP on a backend's own reactor: what waits for Unix sockets waits for these too, so that one
//! loop moves both sides and no thread has to wake another.

use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use unix_transport::chunk::Chunk;
use unix_transport::{Interest, Progress, Reactor, ReadCursor, SharedFd, Source, error, socket};

use super::buffer::Buffer;

/// What accept(2) says of the connection that it could not give: the next one may be well.
const LOST: [Errno; 9] = [
    Errno::ECONNABORTED,
    Errno::EPROTO,
    Errno::ENETDOWN,
    Errno::ENOPROTOOPT,
    Errno::EHOSTDOWN,
    Errno::ENONET,
    Errno::EHOSTUNREACH,
    Errno::EOPNOTSUPP,
    Errno::ENETUNREACH,
];

/// A listening socket.
pub(super) struct TcpListener<S> {
    source: S,
    draining: bool,
}

impl<S: Source> TcpListener<S> {
    /// Listens on the first of the addresses `at` that can be bound.
    pub(super) fn listen<R: Reactor<Source = S>>(
        reactor: &R,
        at: &[SocketAddr],
        backlog: u32,
    ) -> io::Result<TcpListener<S>> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        let bind = |at: &SocketAddr| {
            let socket = stream(*at)?;
            socket.set_reuse_address(true)?;
            socket.bind(&(*at).into())?;
            socket.listen(backlog)?;
            Ok(socket)
        };
        let source = reactor.register(SharedFd::new(first_of(at, bind)?.into()))?;
        Ok(TcpListener { source, draining: false })
    }

    /// Where it listens, with the port that the system chose.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        let address = SockRef::from(&self.source.as_fd()).local_addr()?;
        address.as_socket().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// From now on, accepting ends when nobody waits any more.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    /// The next connection, non-blocking; the [closed](error::closed) error at the end of a drain.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        if self.draining {
            return Poll::Ready(match accept(self.source.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error::closed()),
                accepted => accepted,
            });
        }
        self.source.poll_io(cx, Interest::Read, |fd| accept(fd).map(Progress::Done))
    }
}

fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    loop {
        match SockRef::from(&listener).accept() {
            Ok((socket, _)) => return socket.set_nonblocking(true).map(|()| socket.into()),
            Err(error) if LOST.iter().any(|&lost| is(&error, lost)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// A connection.
pub(super) struct TcpStream<S> {
    source: S,
}

impl<S: Source> TcpStream<S> {
    /// Takes over a connected, non-blocking socket.
    pub(super) fn new<R: Reactor<Source = S>>(
        reactor: &R,
        fd: OwnedFd,
    ) -> io::Result<TcpStream<S>> {
        let socket = SockRef::from(&fd);
        // What came in one piece goes on at once.
        socket.set_tcp_nodelay(true)?;
        // An urgent byte would be lost otherwise.
        socket.set_out_of_band_inline(true)?;
        Ok(TcpStream { source: reactor.register(SharedFd::new(fd))? })
    }

    /// Connects to the first of the addresses `to` that answers.
    pub(super) async fn connect<R: Reactor<Source = S>>(
        reactor: &R,
        to: &[SocketAddr],
    ) -> io::Result<TcpStream<S>> {
        let mut failure = io::ErrorKind::AddrNotAvailable.into();
        for address in to {
            match TcpStream::connect_to(reactor, *address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn connect_to<R: Reactor<Source = S>>(
        reactor: &R,
        to: SocketAddr,
    ) -> io::Result<TcpStream<S>> {
        let socket = stream(to)?;
        match socket.connect(&to.into()) {
            Err(error) if !is(&error, Errno::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let stream = TcpStream::new(reactor, socket.into())?;
        poll_fn(|cx| stream.source.poll_io(cx, Interest::Write, is_connected)).await?;
        Ok(stream)
    }

    /// As [`PollRead::poll_recv`](unix_transport::PollRead::poll_recv).
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.source.poll_io(cx, Interest::Read, |fd| {
            let mut buffer = Buffer::take();
            let room = buffer.room();
            let received = socket::receive(fd, &mut ReadCursor::new(room))?;
            let progress = match received < room.len() {
                true => Progress::Drained,
                false => Progress::Done,
            };
            Ok(progress(buffer.filled(received)))
        })
    }

    /// As [`PollWrite::poll_send`](unix_transport::PollWrite::poll_send).
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Chunk,
    ) -> Poll<io::Result<()>> {
        let sent = ready!(self.source.poll_io(cx, Interest::Write, |fd| {
            let sent = socket::send(fd, chunk)?;
            Ok(if sent < chunk.len() { Progress::Drained(sent) } else { Progress::Done(sent) })
        }))?;
        chunk.advance(sent);
        Poll::Ready(Ok(()))
    }

    /// Shuts one direction down.
    pub(super) fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        socket::shutdown(self.source.as_fd(), how)
    }
}

/// Whether connecting is done: the socket has a peer.
fn is_connected(fd: BorrowedFd<'_>) -> io::Result<Progress<()>> {
    let socket = SockRef::from(&fd);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(Progress::Done(())),
        Err(error) if is(&error, Errno::ENOTCONN) => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}

/// A new socket for an address, non-blocking.
fn stream(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)
}

/// What works for the first of `addresses` that it works for; else the last one's error.
fn first_of<T>(
    addresses: &[SocketAddr],
    mut attempt: impl FnMut(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut failure = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match attempt(address) {
            Ok(done) => return Ok(done),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}
