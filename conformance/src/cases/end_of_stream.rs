//! How streams end: cases 86 to 89, 91, 94, 101, 109 and 165 (rules S1, S2).

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::thread;

use futures_lite::future::poll_once;
use transport_core::{Chunk, Connection, PollRead, PollWrite, socket};

use crate::case::{Case, cases};
use crate::cases::flow;
use crate::cases::meeting::on_both_sides;
use crate::cases::settling::turns_until;
use crate::census::Census;
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture};
use crate::oracle::{self, Pattern, beside};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        86 close_of_the_write_half,
        87 close_of_the_read_half,
        88 close_flushes,
        89 both_halves_closed,
        91 close_after_the_peer_left,
        94 clean_end_repeats,
        101 duplicated_descriptor,
        109 shutdown_twice,
        165 short_read_and_shutdown_in_one_event needs CONCURRENT,
    ]
}

fn close_of_the_write_half<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, mut peer| {
        connection.write_all(b"last words").await.expect("connected");
        connection.close_write().await.expect("a side can be closed");
        let mut peer = beside(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).expect("a closed writing side is a clean end");
            assert_eq!(received, b"last words", "what was written comes before the end");
            peer.write_all(b"answer").expect("the other direction goes on");
            peer
        })
        .await;
        let mut answer = [0; 6];
        connection.read_exact(&mut answer).await.expect("the other direction goes on");
        assert_eq!(&answer, b"answer");
        let error = connection.write(b"more").await.expect_err("this side is closed");
        assert_eq!(
            error.kind(),
            ErrorKind::BrokenPipe,
            "a closed side can't be written to: {error}"
        );
        peer.shutdown(Shutdown::Write).expect("connected");
        let end = connection.read(&mut answer).await.expect("a closed writing side is a clean end");
        assert_eq!(end, 0, "the peer's end shows as the end of the stream");
        assert_eq!(peer.read(&mut answer).expect("nothing was unread"), 0);
    });
    // The peer's half-close: our direction goes on.
    on_both_sides(cx, async |mut connection, mut peer| {
        peer.shutdown(Shutdown::Write).expect("connected");
        assert_eq!(connection.read(&mut [0; 8]).await.expect("a clean end"), 0);
        connection.write_all(b"still here").await.expect("the other direction goes on");
        let mut received = [0; 10];
        peer.read_exact(&mut received).expect("the other direction goes on");
        assert_eq!(&received, b"still here");
    });
}

fn close_of_the_read_half<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, mut peer| {
        peer.write_all(b"before").expect("connected");
        connection.close_read().expect("a side can be closed");
        let error = peer.write(b"after").expect_err("the reading side is closed");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "the peer learns it from its write");
        let mut received = [0; 16];
        let count = connection.read(&mut received).await.expect("what was received can be read");
        assert_eq!(&received[..count], b"before", "closing loses nothing that was received");
        assert_eq!(connection.read(&mut received).await.expect("then the end"), 0);
        connection.write_all(b"reverse").await.expect("the other direction goes on");
        let mut reverse = [0; 7];
        peer.read_exact(&mut reverse).expect("the other direction goes on");
        assert_eq!(&reverse, b"reverse");
    });
}

fn close_flushes<F: Fixture>(cx: &mut Context<F>) {
    const LENGTH: usize = 100_000;
    /// Of the 212,992 bytes that a socket takes by default, less what the kernel adds to each.
    const NEARLY_FULL: usize = 150_000;
    on_both_sides(cx, async |mut connection, peer| {
        connection.write_all(&Pattern::new(1).take(LENGTH)).await.expect("it fits the buffer");
        drop(connection);
        let received = beside(move || flow::receive_to_end(&peer, 1)).await;
        assert_eq!(
            received.expect("no reset"),
            LENGTH as u64,
            "a drop loses nothing that was written"
        );
    });
    // Closing only the writing side also waits for what the owned path took: more than the kernel
    // takes at once, because nobody reads before the queue is all but full.
    on_both_sides(cx, async |mut connection, peer| {
        let receiver = beside(move || {
            while socket::queued(peer.as_fd()).expect("connected") < NEARLY_FULL {
                thread::yield_now();
            }
            flow::receive_to_end(&peer, 2)
        });
        let mut sent = Pattern::new(2);
        let mut chunk = Chunk::from(sent.take(20 * LENGTH));
        while !chunk.is_empty() {
            connection.send(&mut chunk).await.expect("connected");
        }
        connection.close_write().await.expect("a side can be closed");
        let received = receiver.await.expect("a clean end");
        assert_eq!(received, sent.position(), "the end comes after everything that was taken");
    });
}

fn both_halves_closed<F: Fixture>(cx: &mut Context<F>) {
    for write_first in [true, false] {
        on_both_sides(cx, async |connection, mut peer| {
            let socket = socket_name(&connection);
            let (mut read, mut write) = connection.split();
            if write_first {
                drop(write);
                assert_eq!(
                    peer.read(&mut [0; 8]).expect("a clean end"),
                    0,
                    "a dropped half is closed"
                );
                peer.write_all(b"x").expect("the reading half is open");
                assert_eq!(read.read(&mut [0; 8]).await.expect("the reading half is open"), 1);
                assert!(is_open(&socket), "the second half keeps the descriptor open");
                drop(read);
            } else {
                drop(read);
                let error = peer.write(b"x").expect_err("the reading half is closed");
                assert_eq!(error.kind(), ErrorKind::BrokenPipe, "a dropped half is closed");
                write.write_all(b"x").await.expect("the writing half is open");
                assert_eq!(peer.read(&mut [0; 8]).expect("the writing half is open"), 1);
                assert!(is_open(&socket), "the second half keeps the descriptor open");
                drop(write);
            }
            until_closed(&socket).await;
            let error = peer.write(b"x").expect_err("the connection is closed");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
    }
}

/// What `/proc` calls the socket behind a descriptor: a name that no other open socket has.
fn socket_name(connection: &impl AsFd) -> String {
    let number = connection.as_fd().as_raw_fd();
    let target = fs::read_link(format!("/proc/self/fd/{number}")).expect("the descriptor is open");
    target.display().to_string()
}

fn is_open(socket: &str) -> bool {
    Census::take().descriptors.values().any(|target| target == socket)
}

async fn until_closed(socket: &str) {
    turns_until("with the second half the descriptor closes", || !is_open(socket)).await;
}

fn close_after_the_peer_left<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, peer| {
        drop(peer);
        let error = connection.write(b"x").await.expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        connection.close_write().await.expect("that the peer is gone is no error");
        connection.close_read().expect("that the peer is gone is no error");
        assert_eq!(connection.read(&mut [0; 8]).await.expect("a clean end"), 0);
        let socket = socket_name(&connection);
        drop(connection);
        until_closed(&socket).await;
    });
}

fn clean_end_repeats<F: Fixture>(cx: &mut Context<F>) {
    for owned in [false, true] {
        on_both_sides(cx, async |mut connection, mut peer| {
            peer.write_all(b"all").expect("connected");
            drop(peer);
            let all = flow::read_or_recv(&mut connection, owned).await.expect("bytes are queued");
            assert_eq!(all, b"all");
            for _ in 0..3 {
                let end = flow::read_or_recv(&mut connection, owned)
                    .await
                    .expect("a clean end is no error");
                assert!(end.is_empty(), "the end of the stream is seen as often as one looks");
                let other = flow::read_or_recv(&mut connection, !owned)
                    .await
                    .expect("also on the other path");
                assert!(other.is_empty(), "the end of the stream is the same on both paths");
            }
        });
    }
}

fn duplicated_descriptor<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, mut peer| {
        let duplicate = peer.try_clone().expect("a descriptor can be duplicated");
        drop(peer);
        (&duplicate).write_all(b"x").expect("connected");
        assert_eq!(
            connection.read(&mut [0; 8]).await.expect("the duplicate is the same socket"),
            1
        );
        if F::capabilities().contains(Capabilities::CONCURRENT) {
            let early = poll_once(connection.read(&mut [0; 8])).await;
            assert!(early.is_none(), "a stream ends with the last of its descriptors");
        }
        peer = duplicate;

        let ours = connection.as_fd().try_clone_to_owned().expect("a descriptor can be duplicated");
        let number = connection.as_fd().as_raw_fd();
        drop(connection);
        let is_free = || !Census::take().descriptors.contains_key(&number);
        turns_until("a dropped connection closes its descriptor", is_free).await;
        peer.set_nonblocking(true).expect("sockets can be non-blocking");
        let early = peer.read(&mut [0; 8]).expect_err("the stream goes on");
        assert_eq!(early.kind(), ErrorKind::WouldBlock, "a close is no shutdown: {early}");
        let ours = UnixStream::from(ours);
        (&ours).write_all(b"y").expect("the duplicate is the same socket");
        assert_eq!(peer.read(&mut [0; 8]).expect("a byte is queued"), 1);
        drop(ours);
        assert_eq!(peer.read(&mut [0; 8]).expect("now it has ended"), 0);
    });
}

fn shutdown_twice<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, mut peer| {
        oracle::exchange(&mut connection, &mut peer).await;
        for _ in 0..2 {
            connection.close_write().await.expect("closing twice is no error");
            connection.close_read().expect("closing twice is no error");
        }
        assert_eq!(peer.read(&mut [0; 8]).expect("a clean end"), 0);
        let error = peer.write(b"x").expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        drop(peer);
        connection.close_write().await.expect("ENOTCONN is not an error");
        connection.close_read().expect("ENOTCONN is not an error");
    });
}

fn short_read_and_shutdown_in_one_event<F: Fixture>(cx: &mut Context<F>) {
    const ROUNDS: usize = 50;
    for round in 0..ROUNDS {
        // Owned or borrowed; a shutdown or a close.
        let (owned, close) = (round % 2 == 0, round % 4 < 2);
        on_both_sides(cx, async |mut connection, mut peer| {
            // The read waits, so the bytes and the end reach the driver together.
            let early = poll_once(flow::read_or_recv(&mut connection, owned)).await;
            assert!(early.is_none(), "nothing was sent yet");
            peer.write_all(b"short").expect("connected");
            peer.shutdown(Shutdown::Write).expect("connected");
            let peer = (!close).then_some(peer);
            let bytes = flow::read_or_recv(&mut connection, owned).await.expect("bytes are queued");
            assert_eq!(bytes, b"short");
            let end = flow::read_or_recv(&mut connection, owned).await.expect("a clean end");
            assert!(
                end.is_empty(),
                "a short read is not the last event if the stream ended with it"
            );
            drop(peer);
        });
    }
}
