//! A connection on a ring: each half goes by readiness for borrowed operations and for owned ones
//! of large pieces, by completion for owned ones of small pieces (sends only where system calls are
//! dear), and changes between them so that nothing overtakes.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use transport_core::duplex::{Duplex, ReadHalf, WriteHalf};
use transport_core::readiness::{ReadyConnection, ReadyReadHalf, ReadyWriteHalf};
use transport_core::{Chunk, Closer, Interest, PollRead, PollWrite, ReadCursor};

use crate::pieces::Pieces;
use crate::reactor::{RingReactor, RingSource};
use crate::received::Received;

/// A connected stream on a ring.
pub type UringConnection = Duplex<UringReadHalf>;

pub(crate) fn connection(ready: ReadyConnection<RingReactor>) -> UringConnection {
    let (read, write) = ready.into_parts();
    Duplex::new(
        UringReadHalf { ready: read, pieces: Pieces::default() },
        UringWriteHalf { ready: write, pieces: Pieces::default() },
    )
}

/// The reading half.
#[derive(Debug)]
pub struct UringReadHalf {
    ready: ReadyReadHalf<RingReactor>,
    pieces: Pieces,
}

impl UringReadHalf {
    fn source(&self) -> &RingSource {
        self.ready.source()
    }

    /// Before a read by readiness: what is left of the receives by completion, if anything is, as
    /// [`RingSource::poll_leave`] has it.
    fn poll_leave<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Received) -> Option<T>,
        at_end: T,
    ) -> Poll<io::Result<Option<T>>> {
        self.ready.check_open()?;
        match self.source().poll_leave(cx, take, at_end) {
            Poll::Pending => self.ready.poll_deadline(cx),
            ready => ready,
        }
    }

    fn poll_recv_by_completion(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.ready.check_open()?;
        let received = self.source().poll_receive(cx);
        if matches!(&received, Poll::Ready(Ok(chunk)) if !chunk.is_empty()) {
            return received;
        }
        // What looks like the end of the stream may be a closer's work.
        self.ready.check_open()?;
        match received {
            Poll::Pending => self.ready.poll_deadline(cx),
            ended => ended,
        }
    }

    fn poll_recv_by_readiness(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        match ready!(self.poll_leave(cx, Received::pop, Chunk::new()))? {
            Some(left) => Poll::Ready(Ok(left)),
            None => self.ready.poll_recv(cx),
        }
    }
}

impl PollRead for UringReadHalf {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let take = |received: &mut Received| received.copy_to(into);
        match ready!(self.poll_leave(cx, take, ()))? {
            Some(()) => Poll::Ready(Ok(())),
            None => self.ready.poll_read(cx, into),
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        // On some kernels the ring's receives lose the boundaries of passed descriptors.
        if self.ready.takes_descriptors() {
            return self.ready.poll_recv(cx);
        }
        let received = match self.pieces.are_large() {
            true => self.poll_recv_by_readiness(cx),
            false => self.poll_recv_by_completion(cx),
        };
        if let Poll::Ready(Ok(chunk)) = &received
            && self.pieces.note(chunk.len())
        {
            // From now on it would tell of what completes anyway.
            self.source().stop_asking(Interest::Read);
        }
        received
    }

    fn poll_read_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<()>> {
        self.ready.poll_read_descriptors(cx, into, descriptors)
    }

    fn close_read(&mut self) -> io::Result<()> {
        self.ready.close_read()
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.ready.set_read_deadline(deadline);
    }

    fn queued(&self) -> io::Result<usize> {
        Ok(self.source().held() + self.ready.queued()?)
    }
}

impl ReadHalf for UringReadHalf {
    type WriteHalf = UringWriteHalf;

    fn close_on_drop(&mut self) {
        self.ready.close_on_drop();
    }

    fn closer(&self) -> Closer {
        self.ready.closer()
    }

    fn poll_release(
        &mut self,
        write: &mut UringWriteHalf,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        ready!(write.poll_flush(cx))?;
        ready!(self.source().poll_stop(cx));
        let (released, held) = ready!(self.ready.poll_release(&mut write.ready, cx))?;
        let received = self.source().take_received();
        let mut parts: Vec<Chunk> = received.chain([held]).collect();
        parts.retain(|part| !part.is_empty());
        let all = match parts.len() {
            0 | 1 => parts.pop().unwrap_or_default(),
            _ => {
                Chunk::from(parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>())
            }
        };
        Poll::Ready(Ok((released, all)))
    }
}

impl AsFd for UringReadHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

impl Drop for UringReadHalf {
    fn drop(&mut self) {
        if self.ready.closes_on_drop() {
            self.source().stop_receiving();
        }
    }
}

/// The writing half.
#[derive(Debug)]
pub struct UringWriteHalf {
    ready: ReadyWriteHalf<RingReactor>,
    pieces: Pieces,
}

impl UringWriteHalf {
    fn source(&self) -> &RingSource {
        self.ready.source()
    }

    /// Whether owned sends are calls of `send(2)`, too.
    #[inline]
    fn goes_by_readiness(&self) -> bool {
        self.source().ring.sends_directly || self.pieces.are_large()
    }

    /// Borrowed writes wait behind an owned send in flight.
    #[inline]
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.source().may_send_by_completion() {
            false => Poll::Ready(self.ready.check_open()),
            true => self.poll_sent_by_completion(cx),
        }
    }

    fn poll_sent_by_completion(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ready.check_open()?;
        let sent = self.source().poll_sent(cx);
        self.ready.check_open()?;
        match sent {
            Poll::Pending => self.ready.poll_deadline(cx),
            ready => ready,
        }
    }
}

impl PollWrite for UringWriteHalf {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        self.ready.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        self.ready.poll_write_vectored(cx, slices)
    }

    fn poll_write_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        self.ready.poll_write_descriptors(cx, bytes, descriptors)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        if chunk.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.goes_by_readiness() {
            ready!(self.poll_sent(cx))?;
            let sent = ready!(self.ready.poll_send(cx, chunk))?;
            self.pieces.note(sent);
            return Poll::Ready(Ok(sent));
        }
        self.ready.check_open()?;
        let taken = self.source().poll_take(cx, chunk);
        match taken {
            Poll::Pending => return self.ready.poll_deadline(cx),
            Poll::Ready(Ok(length)) => _ = self.pieces.note(length),
            Poll::Ready(Err(_)) => {}
        }
        taken
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        self.ready.poll_close_write(cx)
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.ready.set_write_deadline(deadline);
    }
}

impl WriteHalf for UringWriteHalf {
    fn close_on_drop(&mut self) {
        self.ready.close_on_drop();
    }
}

impl Drop for UringWriteHalf {
    fn drop(&mut self) {
        if self.ready.closes_on_drop() && self.source().shut_down_when_sent() {
            self.ready.leave_open_on_drop();
        }
    }
}
