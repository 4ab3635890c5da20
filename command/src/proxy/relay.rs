//! One relay: bytes from each end to the other until both directions have ended.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use unix_transport::{Chunk, Connection, Source};

use super::end::End;
use super::ledger::Entry;

/// How many steps of one direction are taken before the other relays have their turn.
const TURN: u32 = 64;

/// One direction. It holds at most one chunk, and takes the next when that is sent: a reader that
/// does not read stops its writer.
#[derive(Default)]
struct Direction {
    unsent: Chunk,
    phase: Phase,
}

/// How far a direction is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// The sender's stream has ended, and the receiver is about to be told.
    Ending,
    /// The receiver was told.
    Ended,
    /// The receiver took nothing more.
    Broken,
}

/// Relays between a client and its server. The end of one's stream is passed on to the other, whose
/// answer still comes back; and so it does if it took nothing more.
///
/// # Errors
/// Those of receiving: a connection that was reset, for example. Dropping both ends passes it on.
/// `BrokenPipe` if an end took less than was sent to it.
pub(super) async fn relay<C: Connection, S: Source>(
    mut client: End<C, S>,
    mut server: End<C, S>,
    entry: &mut Entry,
) -> io::Result<()> {
    let (mut there, mut back) = (Direction::default(), Direction::default());
    let relayed: io::Result<()> = poll_fn(|cx| {
        let there_is = there.poll(&mut client, &mut server, &mut entry.there, cx)?;
        let back_is = back.poll(&mut server, &mut client, &mut entry.back, cx)?;
        match there_is.is_ready() && back_is.is_ready() {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    })
    .await;
    relayed?;
    match there.phase == Phase::Broken || back.phase == Phase::Broken {
        true => Err(io::ErrorKind::BrokenPipe.into()),
        false => Ok(()),
    }
}

impl Direction {
    /// Moves what can be moved, and counts it.
    fn poll<C: Connection, S: Source>(
        &mut self,
        from: &mut End<C, S>,
        to: &mut End<C, S>,
        received: &mut u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            match self.phase {
                Phase::Open if self.unsent.is_empty() => {
                    self.unsent = ready!(from.poll_recv(cx))?;
                    *received += self.unsent.len() as u64;
                    if self.unsent.is_empty() {
                        self.phase = Phase::Ending;
                    }
                }
                Phase::Open => {
                    if ready!(to.poll_send(cx, &mut self.unsent)).is_err() {
                        self.phase = Phase::Broken;
                        // Tells the sender; fails only if it knows.
                        _ = from.close_read();
                    }
                }
                Phase::Ending => {
                    self.phase = match ready!(to.poll_close_write(cx)) {
                        Ok(()) => Phase::Ended,
                        Err(_) => Phase::Broken,
                    }
                }
                Phase::Ended | Phase::Broken => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
