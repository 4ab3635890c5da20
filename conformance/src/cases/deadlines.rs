//! Deadlines: cases 105 and 157 (rule S6).

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use transport_core::{Connection, ListenOptions, Listener, Transport};

use crate::case::{Case, cases};
use crate::cases::flow;
use crate::cases::meeting::on_both_sides;
use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle::{self, Pattern, beside};

/// Long enough to see that something waited, short enough to wait for.
const LIMIT: Duration = Duration::from_millis(50);
/// How late a deadline may be noticed on a busy machine.
const LATEST: Duration = Duration::from_secs(5);

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        105 read_and_write_timeouts,
        157 accept_deadline,
    ]
}

fn read_and_write_timeouts<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, mut peer| {
        read_timeout(&mut connection, &mut peer).await;
        write_timeout(connection, peer).await;
    });
}

async fn read_timeout(connection: &mut impl Connection, peer: &mut UnixStream) {
    let mut buf = [0; 8];
    for owned in [false, true] {
        let start = Instant::now();
        connection.set_read_deadline(Some(start + LIMIT));
        let answer = match owned {
            true => connection.recv().await.map(|chunk| chunk.len()),
            false => connection.read(&mut buf).await,
        };
        assert_timed_out(answer, start);
        let start = Instant::now();
        let again = connection.read(&mut buf).await;
        assert_eq!(again.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
        assert!(
            start.elapsed() < LATEST,
            "a deadline that has passed makes the next read fail at once"
        );

        // An owned receive by completion has to see its driver before another read can begin.
        connection.set_read_deadline(if owned { None } else { Some(start) });
        peer.write_all(b"in time").expect("connected");
        let count = connection.read(&mut buf).await.expect("bytes that are there need no waiting");
        assert_eq!(&buf[..count], b"in time", "a deadline that has passed loses no byte");
        connection.set_read_deadline(None);
        oracle::exchange(connection, peer).await;
    }
}

async fn write_timeout(mut connection: impl Connection, peer: UnixStream) {
    let mut sent = Pattern::new(105);
    let start = Instant::now();
    connection.set_write_deadline(Some(start + LIMIT));
    let answer = loop {
        match connection.write(&sent.peek(16 * 1024)).await {
            Ok(written) => sent.advance(written),
            error => break error,
        }
    };
    assert_timed_out(answer, start);
    let again = connection.write(&sent.peek(16 * 1024)).await;
    assert_eq!(again.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
    connection.set_write_deadline(None);
    let receiver = beside(move || flow::receive_to_end(&peer, 105));
    connection.write_all(&sent.take(100_000)).await.expect("the peer reads now");
    drop(connection);
    let received = receiver.await.expect("the stream is whole");
    assert_eq!(received, sent.position(), "a write that timed out has written what it reported");
}

fn assert_timed_out(answer: io::Result<usize>, start: Instant) {
    let error = answer.expect_err("nobody is there to end the wait");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "one error kind for every deadline: {error}");
    assert!(start.elapsed() >= LIMIT, "a deadline never passes early");
    assert!(start.elapsed() < LATEST, "a deadline ends the wait");
}

fn accept_deadline<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("deadline");
    cx.run(async |transport| {
        let mut listener =
            transport.listen(&address, &ListenOptions::new()).expect("the path is free");
        let start = Instant::now();
        listener.set_accept_deadline(Some(start + LIMIT));
        assert_timed_out(listener.accept().await.map(|_| 0), start);
        assert_timed_out(listener.acceptable().await.map(|()| 0), start);
        let mut early = oracle::connect(&address).expect("the listener lives on");
        let accepted = listener.accept().await;
        let (mut connection, _) = accepted.expect("a client that is there needs no waiting");
        oracle::exchange(&mut connection, &mut early).await;

        let start = Instant::now();
        listener.set_accept_deadline(Some(start + LIMIT));
        assert_timed_out(listener.acceptable().await.map(|()| 0), start);
        listener.set_accept_deadline(None);
        let client = beside({
            let address = address.clone();
            move || oracle::connect(&address).expect("the listener lives on")
        });
        let accepted = listener.accept().await;
        let (mut connection, _) = accepted.expect("without a deadline an accept waits");
        oracle::exchange(&mut connection, &mut client.await).await;
    });
}
