//! A connection on a ring: each half goes by readiness for borrowed operations and by completion
//! for owned ones, and changes between them so that nothing overtakes.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use transport_core::duplex::{Duplex, ReadHalf, WriteHalf};
use transport_core::readiness::{ReadyConnection, ReadyReadHalf, ReadyWriteHalf};
use transport_core::{Chunk, Closer, PollRead, PollWrite, ReadCursor};

use crate::reactor::{RingReactor, RingSource};

/// A connected stream on a ring.
pub type UringConnection = Duplex<UringReadHalf>;

pub(crate) fn connection(ready: ReadyConnection<RingReactor>) -> UringConnection {
    let (read, write) = ready.into_parts();
    Duplex::new(UringReadHalf { ready: read }, UringWriteHalf { ready: write })
}

/// The reading half.
#[derive(Debug)]
pub struct UringReadHalf {
    ready: ReadyReadHalf<RingReactor>,
}

impl UringReadHalf {
    fn source(&self) -> &RingSource {
        self.ready.source()
    }

    /// Before a borrowed read: `true` if the owned path's remains served it already.
    fn poll_leave(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<bool>> {
        self.ready.check_open()?;
        match self.source().poll_leave(cx, into) {
            Poll::Pending => self.ready.poll_deadline(cx),
            ready => ready,
        }
    }
}

impl PollRead for UringReadHalf {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 || ready!(self.poll_leave(cx, into))? {
            return Poll::Ready(Ok(()));
        }
        self.ready.poll_read(cx, into)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        // On some kernels the ring's receives lose the boundaries of passed descriptors.
        if self.ready.takes_descriptors() {
            return self.ready.poll_recv(cx);
        }
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
}

impl UringWriteHalf {
    fn source(&self) -> &RingSource {
        self.ready.source()
    }

    /// Borrowed writes wait behind an owned send in flight.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        self.ready.check_open()?;
        let taken = self.source().poll_take(cx, chunk);
        match taken {
            Poll::Pending => self.ready.poll_deadline(cx),
            ready => ready,
        }
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
