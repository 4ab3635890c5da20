//! The echo server of one connection, over the traits: any backend, either byte path. That a busy
//! connection lets the others have their turn is the backends' concern (case 166).

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use unix_transport::{Connection, ReadCursor};

use super::ledger::Entry;
use super::scratch;

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

/// A copy of what was read and is not written yet: because the peer makes no room, or because it is
/// the others' turn. (The buffer itself, kept by each connection that waits, would be 64 KiB for what
/// is mostly a few bytes.)
#[derive(Default)]
struct Unwritten {
    bytes: Vec<u8>,
    written: usize,
}

impl Unwritten {
    /// How much memory is kept for the next time, in bytes.
    const KEPT: usize = 256;

    fn poll_write(
        &mut self,
        connection: &mut impl Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            self.written += ready!(connection.poll_write(cx, &self.bytes[self.written..]))?;
        }
        self.bytes.clear();
        self.bytes.shrink_to(Unwritten::KEPT);
        self.written = 0;
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
        if !unwritten.bytes.is_empty() {
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
            unwritten.bytes.extend_from_slice(&buffer[count..received]);
            // A wait is a wait: asking again at once would take the others' turn.
            written.map(|_| Ok(true))
        });
        if !ready!(goes_on)? {
            return Poll::Ready(Ok(()));
        }
    }
}
