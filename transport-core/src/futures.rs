//! The named futures over the poll functions. Each borrows its handle and holds no state of the
//! operation, so dropping one at any point loses nothing.

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::address::PeerAddress;
use crate::chunk::Chunk;
use crate::cursor::ReadCursor;
use crate::transport::{Connection, Listener, PollRead, PollWrite};

/// A future over one poll function: its name, what it holds, and how it is polled.
macro_rules! future {
    ($(#[$doc:meta])* $name:ident<$($life:lifetime,)? $handle:ident: $bound:ident>
     { $($field:ident: $type:ty),* } -> $output:ty, |$this:ident, $cx:ident| $poll:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "futures do nothing unless polled"]
        pub struct $name<$($life,)? $handle> { $(pub(crate) $field: $type),* }

        impl<$($life,)? $handle: $bound + Unpin> Future for $name<$($life,)? $handle> {
            type Output = $output;

            fn poll(mut self: Pin<&mut Self>, $cx: &mut Context<'_>) -> Poll<$output> {
                let $this = &mut *self;
                $poll
            }
        }
    };
}

future!(
    /// [`Listener::accept`].
    Accept<'a, L: Listener> { listener: &'a mut L }
    -> io::Result<(L::Connection, PeerAddress)>, |this, cx| this.listener.poll_accept(cx)
);

future!(
    /// [`Listener::acceptable`].
    Acceptable<'a, L: Listener> { listener: &'a mut L }
    -> io::Result<()>, |this, cx| this.listener.poll_acceptable(cx)
);

future!(
    /// [`PollRead::read`].
    Read<'a, C: PollRead> { connection: &'a mut C, into: ReadCursor<'a> }
    -> io::Result<usize>, |this, cx| {
        ready!(this.connection.poll_read(cx, &mut this.into))?;
        Poll::Ready(Ok(this.into.filled_len()))
    }
);

future!(
    /// [`PollRead::read_exact`].
    ReadExact<'a, C: PollRead> { connection: &'a mut C, into: ReadCursor<'a> }
    -> io::Result<()>, |this, cx| {
        while this.into.remaining() > 0 {
            let before = this.into.filled_len();
            ready!(this.connection.poll_read(cx, &mut this.into))?;
            if this.into.filled_len() == before {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
);

future!(
    /// [`PollRead::recv`].
    Recv<'a, C: PollRead> { connection: &'a mut C }
    -> io::Result<Chunk>, |this, cx| this.connection.poll_recv(cx)
);

future!(
    /// [`PollRead::read_descriptors`].
    ReadDescriptors<'a, C: PollRead> { connection: &'a mut C, into: ReadCursor<'a> }
    -> io::Result<(usize, Vec<OwnedFd>)>, |this, cx| {
        let mut descriptors = Vec::new();
        ready!(this.connection.poll_read_descriptors(cx, &mut this.into, &mut descriptors))?;
        Poll::Ready(Ok((this.into.filled_len(), descriptors)))
    }
);

future!(
    /// [`PollWrite::write`].
    Write<'a, C: PollWrite> { connection: &'a mut C, bytes: &'a [u8] }
    -> io::Result<usize>, |this, cx| this.connection.poll_write(cx, this.bytes)
);

future!(
    /// [`PollWrite::write_vectored`].
    WriteVectored<'a, C: PollWrite> { connection: &'a mut C, slices: &'a [IoSlice<'a>] }
    -> io::Result<usize>, |this, cx| this.connection.poll_write_vectored(cx, this.slices)
);

future!(
    /// [`PollWrite::write_all`].
    WriteAll<'a, C: PollWrite> { connection: &'a mut C, bytes: &'a [u8] }
    -> io::Result<()>, |this, cx| {
        while !this.bytes.is_empty() {
            let written = ready!(this.connection.poll_write(cx, this.bytes))?;
            this.bytes = &this.bytes[written..];
        }
        Poll::Ready(Ok(()))
    }
);

future!(
    /// [`PollWrite::write_descriptors`].
    WriteDescriptors<'a, C: PollWrite> {
        connection: &'a mut C, bytes: &'a [u8], descriptors: &'a [BorrowedFd<'a>]
    }
    -> io::Result<usize>, |this, cx| {
        this.connection.poll_write_descriptors(cx, this.bytes, this.descriptors)
    }
);

future!(
    /// [`PollWrite::send`].
    Send<'a, C: PollWrite> { connection: &'a mut C, chunk: &'a mut Chunk }
    -> io::Result<usize>, |this, cx| this.connection.poll_send(cx, this.chunk)
);

future!(
    /// [`PollWrite::send_all`].
    SendAll<'a, C: PollWrite> { connection: &'a mut C, chunk: Chunk }
    -> io::Result<()>, |this, cx| {
        while !this.chunk.is_empty() {
            ready!(this.connection.poll_send(cx, &mut this.chunk))?;
        }
        Poll::Ready(Ok(()))
    }
);

future!(
    /// [`PollWrite::flush`].
    Flush<'a, C: PollWrite> { connection: &'a mut C }
    -> io::Result<()>, |this, cx| this.connection.poll_flush(cx)
);

future!(
    /// [`PollWrite::close_write`].
    CloseWrite<'a, C: PollWrite> { connection: &'a mut C }
    -> io::Result<()>, |this, cx| this.connection.poll_close_write(cx)
);

future!(
    /// [`Connection::release`].
    Release<C: Connection> { connection: C }
    -> io::Result<(OwnedFd, Chunk)>, |this, cx| this.connection.poll_release(cx)
);
