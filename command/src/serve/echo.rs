//! The echo server of one connection, over the traits: any backend, either byte path. That a busy
//! connection lets the others have their turn is the backends' concern (case 166).

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use unix_transport::{Chunk, Connection, ReadCursor};

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
    let mut unwritten = Chunk::new();
    poll_fn(|cx| poll_borrowed(connection, &mut unwritten, entry, cx)).await?;
    connection.close_write().await
}

/// `unwritten` is what was read and waits: for the peer to make room, or for the next turn.
fn poll_borrowed(
    connection: &mut impl Connection,
    unwritten: &mut Chunk,
    entry: &mut Entry,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        while !unwritten.is_empty() {
            let count = ready!(connection.poll_write(cx, unwritten))?;
            unwritten.advance(count);
        }
        let goes_on = scratch::lend(|buffer| {
            let mut cursor = ReadCursor::new(buffer);
            ready!(connection.poll_read(cx, &mut cursor))?;
            let received = cursor.filled_len();
            if received == 0 {
                return Poll::Ready(io::Result::Ok(false));
            }
            entry.received(received);
            let written = connection.poll_write(cx, &buffer[..received]);
            let count = if let Poll::Ready(Ok(count)) = written { count } else { 0 };
            if count < received {
                // A copy: a buffer for each that waits would be memory that nobody has used lately.
                *unwritten = Chunk::from(&buffer[count..received]);
            }
            written.map_ok(|_| true)
        });
        if !ready!(goes_on)? {
            return Poll::Ready(Ok(()));
        }
    }
}
