//! The sink of one connection, over the traits: it reads to the end, and answers how many bytes
//! that were, as 8 bytes, the lowest first.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use unix_transport::{Connection, ReadCursor};

use super::ledger::Entry;
use super::scratch;

/// Reads by `recv`.
pub(super) async fn owned(connection: &mut impl Connection, entry: &mut Entry) -> io::Result<()> {
    loop {
        let chunk = connection.recv().await?;
        if chunk.is_empty() {
            return answer(connection, entry).await;
        }
        entry.received(chunk.len());
    }
}

/// Reads by `read` into a buffer that the connections of a thread share.
pub(super) async fn borrowed(
    connection: &mut impl Connection,
    entry: &mut Entry,
) -> io::Result<()> {
    while poll_fn(|cx| poll_read(connection, entry, cx)).await? {}
    answer(connection, entry).await
}

/// Reads once; `false` at the end of the stream.
fn poll_read(
    connection: &mut impl Connection,
    entry: &mut Entry,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    let (read, received) = scratch::lend(|buffer| {
        let mut cursor = ReadCursor::new(buffer);
        (connection.poll_read(cx, &mut cursor), cursor.filled_len())
    });
    if received > 0 {
        entry.received(received);
    }
    read.map_ok(|()| received > 0)
}

async fn answer(connection: &mut impl Connection, entry: &Entry) -> io::Result<()> {
    connection.write_all(&entry.bytes().to_le_bytes()).await
}
