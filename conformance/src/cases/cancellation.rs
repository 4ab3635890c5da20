//! Ends from this side: cases 102 to 104 (rules L3, S4).

use std::io::{ErrorKind, Read};
use std::pin::pin;
use std::sync::mpsc;

use futures_lite::future::{poll_once, yield_now};
use transport_core::{Connection, PollRead, PollWrite, is_closed};

use crate::case::{Case, cases};
use crate::cases::flow;
use crate::cases::meeting::on_both_sides;
use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle::{self, Pattern, beside};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        102 local_close_wakes,
        103 cancelled_read_loses_nothing needs CONCURRENT,
        104 cancelled_write_accounts_for_its_bytes needs CONCURRENT,
    ]
}

fn local_close_wakes<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, mut peer| {
        let closing = oracle::close_when_asleep(connection.closer());
        let error = connection.read(&mut [0; 8]).await.expect_err("closed while it waits");
        assert!(is_closed(&error), "a read is woken by a local close, and told so: {error}");
        closing.finish();
        closing_again_is_harmless(&mut connection).await;
        assert_eq!(peer.read(&mut [0; 8]).expect("a clean end"), 0, "the peer sees the end");
    });
    on_both_sides(cx, async |mut connection, _peer| {
        flow::fill(&mut connection, &mut Pattern::new(102), 16 * 1024).await;
        let closing = oracle::close_when_asleep(connection.closer());
        let error = connection.write_all(&[0; 64 * 1024]).await.expect_err("closed while it waits");
        assert!(is_closed(&error), "a write is woken by a local close, and told so: {error}");
        closing.finish();
    });
    on_both_sides(cx, async |mut connection, _peer| {
        let closing = oracle::close_when_asleep(connection.closer());
        let error = connection.recv().await.expect_err("closed while it waits");
        assert!(is_closed(&error), "an owned receive is woken by a local close: {error}");
        closing.finish();
    });
    // Halves share their connection's end.
    on_both_sides(cx, async |connection, _peer| {
        let closer = connection.closer();
        let (mut read, mut write) = connection.split();
        let closing = oracle::close_when_asleep(closer.clone());
        let error = read.read(&mut [0; 8]).await.expect_err("closed while it waits");
        assert!(is_closed(&error), "a half is woken by a local close: {error}");
        closing.finish();
        let error = write.write(b"x").await.expect_err("closed");
        assert!(is_closed(&error), "both halves are closed: {error}");
        drop((read, write));
        assert!(closer.is_closed(), "what is gone is closed");
        closer.close();
    });
}

async fn closing_again_is_harmless(connection: &mut impl Connection) {
    connection.closer().close();
    assert!(connection.closer().is_closed());
    let error = connection.read(&mut [0; 8]).await.expect_err("closed");
    assert!(is_closed(&error), "a read after the close says the same: {error}");
    let error = connection.write(b"x").await.expect_err("closed");
    assert!(is_closed(&error), "a write after the close says the same: {error}");
}

fn cancelled_read_loses_nothing<F: Fixture>(cx: &mut Context<F>) {
    const ROUNDS: usize = 200;
    on_both_sides(cx, async |mut connection, peer| {
        let mut sent = Pattern::new(103);
        let mut expected = Pattern::new(103);
        let mut buf = [0; 3000];
        for round in 0..ROUNDS {
            // Each read is started on an empty queue, then bytes come and the driver notices
            // them, and then the future is dropped without having been asked again.
            let owned = round % 2 == 0;
            if owned {
                let mut receiving = pin!(connection.recv());
                let early = poll_once(&mut receiving).await;
                assert!(early.is_none(), "nothing was sent yet");
                send_and_turn(&peer, &mut sent, 1 + round * 7, round % 4).await;
            } else {
                let mut reading = pin!(connection.read(&mut buf));
                let early = poll_once(&mut reading).await;
                assert!(early.is_none(), "nothing was sent yet");
                send_and_turn(&peer, &mut sent, 1 + round * 7, round % 4).await;
            }
            // The next read is of either kind.
            while expected.position() < sent.position() {
                if round % 3 == 0 {
                    expected.check(&connection.recv().await.expect("bytes are queued"));
                } else {
                    let count = connection.read(&mut buf).await.expect("bytes are queued");
                    assert!(count > 0, "the stream goes on");
                    expected.check(&buf[..count]);
                }
            }
        }
        drop(peer);
        let end = connection.read(&mut buf).await.expect("a clean end");
        assert_eq!(end, 0, "after all bytes the stream ends");
    });
}

async fn send_and_turn(
    peer: &std::os::unix::net::UnixStream,
    sent: &mut Pattern,
    length: usize,
    turns: usize,
) {
    flow::send(peer, sent, length).expect("there is room");
    for _ in 0..turns {
        yield_now().await;
    }
}

fn cancelled_write_accounts_for_its_bytes<F: Fixture>(cx: &mut Context<F>) {
    const ROUNDS: usize = 30;
    on_both_sides(cx, async |mut connection, peer| {
        // How many bytes the reader shall take, and when it has.
        let (ask, asked) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let reader = beside(move || {
            let mut expected = Pattern::new(104);
            for length in asked {
                let mut buf = vec![0; length];
                (&peer).read_exact(&mut buf).expect("so much is queued");
                expected.check(&buf);
                tell.send(()).expect("the case goes on");
            }
            flow::receive_rest(&peer, &mut expected).expect("the stream is whole");
            expected.position()
        });
        let mut sent = Pattern::new(104);
        let mut asked_for = 0;
        for round in 0..ROUNDS {
            flow::fill(&mut connection, &mut sent, 16 * 1024).await;
            let bytes = sent.peek(100_000);
            {
                let mut writing = pin!(connection.write(&bytes));
                let early = poll_once(&mut writing).await;
                assert!(early.is_none(), "a full buffer makes a write wait");
                // There is room again, the driver notices it, and the future is dropped. The kernel
                // announces room only when three quarters of the buffer are free.
                let queued =
                    usize::try_from(sent.position() - asked_for).expect("it fits a buffer");
                let length = queued - 5000 * (round % 3);
                asked_for += length as u64;
                ask.send(length).expect("the reader reads");
                told.recv().expect("so much is queued");
                for _ in 0..round % 3 {
                    yield_now().await;
                }
            }
            // A dropped write has written nothing: its first bytes are still the next ones.
            let written = connection.write(&sent.peek(10)).await.expect("there is room");
            sent.advance(written);
        }
        drop(connection);
        drop(ask);
        assert_eq!(
            reader.await,
            sent.position(),
            "what a write reported arrives, and nothing else"
        );
    });
    cancelled_write_to_a_peer_that_leaves(cx);
}

fn cancelled_write_to_a_peer_that_leaves<F: Fixture>(cx: &Context<F>) {
    on_both_sides(cx, async |mut connection, peer| {
        flow::fill(&mut connection, &mut Pattern::new(1), 16 * 1024).await;
        let early = poll_once(connection.write(&[0; 1000])).await;
        assert!(early.is_none(), "a full buffer makes a write wait");
        drop(peer);
        let error = connection.write_all(&[0; 1000]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "a dropped write hides no error: {error}");
    });
}
