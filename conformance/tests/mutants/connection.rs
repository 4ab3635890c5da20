//! The backend `epoll` with one mistake: its connection and halves.

use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use backend_epoll::Epoll;
use transport_core::{
    Backend, Chunk, Closer, Connection, PollRead, PollWrite, ReadCursor, Transport,
};

use crate::faults::Mutation;
use crate::owned_receive::{Kind, OwnedReceive};

type Inner = <<Epoll as Backend>::Transport as Transport>::Connection;

/// A connection, or a half of one, with the mistake `M`.
pub(crate) struct Wrapped<C, M> {
    inner: C,
    /// The waker of the first of the reads that wait, where the mistake is to keep it.
    reader: Option<Waker>,
    /// Where the mistake is that futures own what they receive.
    receive: Option<OwnedReceive>,
    mutation: PhantomData<M>,
}

pub(crate) type MutatedConnection<M> = Wrapped<Inner, M>;

impl<M: Mutation> MutatedConnection<M> {
    pub(crate) fn new(inner: Inner) -> MutatedConnection<M> {
        let receive = M::FAULTS.future_owns_receive.then(|| OwnedReceive::new(inner.as_fd()));
        Wrapped { inner, reader: None, receive, mutation: PhantomData }
    }
}

impl<C, M: Mutation> Wrapped<C, M> {
    /// Polls a read, with the mistakes that concern the waker.
    fn poll_with_waker<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut C, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if !M::FAULTS.keeps_the_old_waker {
            return poll(&mut self.inner, cx);
        }
        let waker = self.reader.get_or_insert_with(|| cx.waker().clone());
        let answer = poll(&mut self.inner, &mut Context::from_waker(waker));
        if answer.is_ready() {
            self.reader = None;
        }
        answer
    }
}

impl<C: PollRead + Unpin, M: Mutation> PollRead for Wrapped<C, M> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(receive) = &mut self.receive else {
            return self.poll_with_waker(cx, |inner, cx| inner.poll_read(cx, into));
        };
        if let Some(bytes) = receive.completed(Kind::Borrowed) {
            into.put(&bytes);
            return Poll::Ready(Ok(()));
        }
        let waker = receive.waker(Kind::Borrowed, into.remaining(), cx);
        let answer = self.inner.poll_read(&mut Context::from_waker(&waker), into);
        receive.answered(&answer);
        answer
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        let Some(receive) = &mut self.receive else {
            return self.poll_with_waker(cx, C::poll_recv);
        };
        if let Some(bytes) = receive.completed(Kind::Owned) {
            return Poll::Ready(Ok(Chunk::from(bytes)));
        }
        let waker = receive.waker(Kind::Owned, 16 * 1024, cx);
        let answer = self.inner.poll_recv(&mut Context::from_waker(&waker));
        receive.answered(&answer);
        answer
    }

    fn poll_read_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadCursor<'_>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<()>> {
        self.inner.poll_read_descriptors(cx, into, descriptors)
    }

    fn close_read(&mut self) -> io::Result<()> {
        self.inner.close_read()
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_read_deadline(deadline);
    }

    fn queued(&self) -> io::Result<usize> {
        self.inner.queued()
    }
}

impl<C: PollWrite + Unpin, M: Mutation> PollWrite for Wrapped<C, M> {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !M::FAULTS.reorders_slices {
            return self.inner.poll_write_vectored(cx, slices);
        }
        let mut reordered: Vec<IoSlice<'_>> = slices.to_vec();
        reordered.rotate_right(usize::from(slices.len() > 1));
        self.inner.poll_write_vectored(cx, &reordered)
    }

    fn poll_write_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_write_descriptors(cx, bytes, descriptors)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        let before = chunk.len();
        let sent = ready!(self.inner.poll_send(cx, chunk))?;
        if !M::FAULTS.drops_tails {
            return Poll::Ready(Ok(sent));
        }
        chunk.advance(before - sent);
        Poll::Ready(Ok(before))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_close_write(cx)
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_write_deadline(deadline);
    }
}

impl<M: Mutation> Connection for MutatedConnection<M> {
    type ReadHalf = Wrapped<<Inner as Connection>::ReadHalf, M>;
    type WriteHalf = Wrapped<<Inner as Connection>::WriteHalf, M>;

    fn split(self) -> (Self::ReadHalf, Self::WriteHalf) {
        let Wrapped { inner, reader, receive, mutation } = self;
        let (read, write) = inner.split();
        let read = Wrapped { inner: read, reader, receive, mutation };
        (read, Wrapped { inner: write, reader: None, receive: None, mutation })
    }

    fn closer(&self) -> Closer {
        self.inner.closer()
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, Chunk)>> {
        self.inner.poll_release(cx)
    }
}

impl<M: Mutation> AsFd for MutatedConnection<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
