//! The echo server of one connection, over the traits: any backend, either byte path. That a busy
//! connection lets the others have their turn is the backends' concern (case 166).

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};

use unix_transport::{Connection, ReadCursor};

use super::ledger::Entry;
use super::scratch;
use crate::buffer::Buffer;

/// Echoes by `recv` and `send`: what was received is sent from the buffer that it lies in.
pub(super) async fn owned(connection: &mut impl Connection, entry: &mut Entry) -> io::Result<()> {
    loop {
        let chunk = connection.recv().await?;
        if chunk.is_empty() {
            return connection.close_write().await;
        }
        entry.received(chunk.len());
        connection.send_all(chunk).await?;
    }
}

/// Echoes by `read` and `write` through a buffer that the connections of a thread share.
pub(super) async fn borrowed(
    connection: &mut impl Connection,
    entry: &mut Entry,
) -> io::Result<()> {
    let mut unwritten = Unwritten::default();
    poll_fn(|cx| poll_borrowed(connection, &mut unwritten, entry, cx)).await?;
    connection.close_write().await
}

/// What was read and is not written yet: because the peer makes no room, or because it is the others'
/// turn. Either is empty, or both.
#[derive(Default)]
struct Unwritten {
    /// A copy of a few bytes, so that a connection that waits with them holds no buffer.
    copy: Vec<u8>,
    /// The buffer of many.
    buffer: Buffer,
    /// Where in one of the two.
    range: Range<usize>,
}

impl Unwritten {
    /// How many bytes are copied at most. To take the buffer away costs another one, which is cold.
    const FEW: usize = 8 * 1024;

    /// How much memory for copies is kept for the next time, in bytes.
    const KEPT: usize = 256;

    fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Keeps the bytes of `range`; `buffer` becomes another one if they are many.
    fn keep(&mut self, buffer: &mut Buffer, range: Range<usize>) {
        if range.len() > Unwritten::FEW {
            self.buffer = std::mem::replace(buffer, scratch::take());
            self.range = range;
        } else {
            self.copy.extend_from_slice(&buffer[range]);
            self.range = 0..self.copy.len();
        }
    }

    fn poll_write(
        &mut self,
        connection: &mut impl Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = if self.copy.is_empty() { &self.buffer[..] } else { &self.copy };
        while !self.range.is_empty() {
            self.range.start += ready!(connection.poll_write(cx, &bytes[self.range.clone()]))?;
        }
        self.copy.clear();
        self.copy.shrink_to(Unwritten::KEPT);
        if !self.buffer.is_empty() {
            scratch::give(std::mem::take(&mut self.buffer));
        }
        Poll::Ready(Ok(()))
    }
}

fn poll_borrowed(
    connection: &mut impl Connection,
    unwritten: &mut Unwritten,
    entry: &mut Entry,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        if !unwritten.is_empty() {
            ready!(unwritten.poll_write(connection, cx))?;
        }
        let goes_on = scratch::lend(|buffer| {
            let mut cursor = ReadCursor::new(buffer);
            ready!(connection.poll_read(cx, &mut cursor))?;
            let received = cursor.filled_len();
            if received == 0 {
                return Poll::Ready(io::Result::Ok(false));
            }
            entry.received(received);
            let written = connection.poll_write(cx, &buffer[..received])?;
            let count = if let Poll::Ready(count) = written { count } else { 0 };
            unwritten.keep(buffer, count..received);
            // A wait is a wait: asking again at once would take the others' turn.
            written.map(|_| Ok(true))
        });
        if !ready!(goes_on)? {
            return Poll::Ready(Ok(()));
        }
    }
}
