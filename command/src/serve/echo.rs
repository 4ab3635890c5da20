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

/// Echoes by `recv` and `send`: what was received is sent from the buffer that it lies in. Whoever drops
/// the connection then closes it, so that no call is needed to end its stream.
pub(super) async fn owned(connection: &mut impl Connection, entry: &mut Entry) -> io::Result<()> {
    loop {
        let chunk = connection.recv().await?;
        if chunk.is_empty() {
            return connection.flush().await;
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
    let mut unwritten = None;
    poll_fn(|cx| poll_borrowed(connection, &mut unwritten, entry, cx)).await
}

/// What was read and is not written yet: because the peer makes no room, or because it is the others'
/// turn.
struct Unwritten {
    memory: Memory,
    range: Range<usize>,
}

enum Memory {
    /// Of a few bytes, so that a connection that waits with them holds no buffer.
    Copy(Vec<u8>),
    /// Of many.
    Buffer(Buffer),
}

impl Unwritten {
    /// How many bytes are copied at most. To take the buffer away costs another one, which is cold, and
    /// 64 KiB of memory for as long as the peer takes nothing.
    const FEW: usize = 8 * 1024;

    /// The bytes of `range`; `buffer` becomes another one if they are many.
    fn of(buffer: &mut Buffer, range: Range<usize>) -> Unwritten {
        if range.len() <= Unwritten::FEW {
            let copy = buffer[range].to_vec();
            return Unwritten { range: 0..copy.len(), memory: Memory::Copy(copy) };
        }
        Unwritten { memory: Memory::Buffer(std::mem::replace(buffer, scratch::take())), range }
    }

    fn poll_write(
        &mut self,
        connection: &mut impl Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Unwritten { memory, range } = self;
        let bytes = match memory {
            Memory::Copy(copy) => &copy[..],
            Memory::Buffer(buffer) => buffer,
        };
        while range.start < range.end {
            range.start += ready!(connection.poll_write(cx, &bytes[range.clone()]))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        if let Memory::Buffer(buffer) = &mut self.memory {
            scratch::give(std::mem::take(buffer));
        }
    }
}

fn poll_borrowed(
    connection: &mut impl Connection,
    unwritten: &mut Option<Box<Unwritten>>,
    entry: &mut Entry,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        if let Some(rest) = unwritten {
            ready!(rest.poll_write(connection, cx))?;
            *unwritten = None;
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
            if count < received {
                *unwritten = Some(Box::new(Unwritten::of(buffer, count..received)));
            }
            // A wait is a wait: asking again at once would take the others' turn.
            written.map(|_| Ok(true))
        });
        if !ready!(goes_on)? {
            return Poll::Ready(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use unix_transport::{
        AdoptOptions, Epoll, PollRead, PollWrite, Runtime, Settings, Transport as _,
    };

    use super::*;
    use crate::buffer;
    use crate::serve::ledger::Ledger;

    /// Reads until nothing is there; answers the last `count` bytes.
    async fn drain(connection: &mut impl PollRead, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = Buffer::of(buffer::SIZE);
        while connection.queued().expect("it is open") > 0 {
            let read = poll_fn(|cx| {
                let mut cursor = ReadCursor::new(&mut buffer);
                connection.poll_read(cx, &mut cursor).map_ok(|()| cursor.filled_len())
            });
            let read = read.await.expect("it is open");
            all.extend_from_slice(&buffer[..read]);
        }
        all.split_off(all.len() - count)
    }

    /// Echoes until it has something unwritten, or nothing.
    async fn echo_until(
        has_rest: bool,
        connection: &mut impl Connection,
        unwritten: &mut Option<Box<Unwritten>>,
        entry: &mut Entry,
    ) {
        poll_fn(|cx| {
            assert!(poll_borrowed(connection, unwritten, entry, cx).is_pending());
            if unwritten.is_some() == has_rest { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[test]
    fn who_waits_with_a_few_bytes_holds_no_buffer() -> io::Result<()> {
        let mut runtime = Runtime::<Epoll>::new(&Settings::default()).map_err(io::Error::other)?;
        let pair = runtime.transport().pair(&AdoptOptions::new()).map_err(io::Error::other)?;
        let (mut served, mut peer) = pair;
        // So small that it is full before it is another's turn.
        served.set_send_buffer(16 * 1024)?;
        let mut entry = Arc::<Ledger>::default().open();
        let mut unwritten = None;
        let handle = runtime.handle();
        let echoed = async {
            for (length, is_copied) in [(100, true), (Unwritten::FEW + 1, false), (7, true)] {
                // No room is left for the echo.
                let fill = |cx: &mut Context<'_>| {
                    while served.poll_write(cx, &[0; 1000])?.is_ready() {}
                    Poll::Ready(io::Result::Ok(()))
                };
                poll_fn(fill).await?;
                let message = vec![b'm'; length];
                poll_fn(|cx| peer.poll_write(cx, &message)).await?;
                echo_until(true, &mut served, &mut unwritten, &mut entry).await;
                match &unwritten.as_ref().expect("there is a rest").memory {
                    Memory::Copy(copy) => assert!(is_copied && copy.capacity() == length),
                    Memory::Buffer(_) => assert!(!is_copied),
                }
                drain(&mut peer, 0).await;
                echo_until(false, &mut served, &mut unwritten, &mut entry).await;
                assert_eq!(drain(&mut peer, length).await, message);
            }
            Ok(())
        };
        runtime.block_on(handle.timeout(Duration::from_secs(10), echoed)).expect("it ends")
    }
}
