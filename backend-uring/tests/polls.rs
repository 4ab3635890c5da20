//! One poll for both directions of a connection: what is asked for later takes its place.

mod ring;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backend_uring::{Uring, UringConnection, UringDriver};
use transport_core::{
    AdoptOptions, Backend, Driver, PollRead, PollWrite, ReadCursor, Settings, Transport,
};

use ring::is_available;

/// How long anything may take before its test fails.
const LIMIT: Duration = Duration::from_secs(10);

/// A ring, a connection of it, and its peer as the standard library has it; none without a ring.
fn connected() -> Option<(UringDriver, UringConnection, UnixStream)> {
    if !is_available() {
        return None;
    }
    let (transport, driver) = Uring::open(&Settings::default()).expect("io_uring works here");
    let (ours, peer) = UnixStream::pair().expect("two descriptors");
    let adopted = transport.adopt_connection(ours.into(), &AdoptOptions::new());
    let connection = adopted.expect("a stream");
    peer.set_read_timeout(Some(LIMIT)).expect("not zero");
    Some((driver, connection, peer))
}

fn poll_read(connection: &mut UringConnection) -> Poll<usize> {
    let mut buf = [0; 8];
    let mut cursor = ReadCursor::new(&mut buf);
    let read = connection.poll_read(&mut Context::from_waker(Waker::noop()), &mut cursor);
    read.map(|read| read.map(|()| cursor.filled().len()).expect("connected"))
}

fn poll_write(connection: &mut UringConnection) -> Poll<usize> {
    let written = connection.poll_write(&mut Context::from_waker(Waker::noop()), &[7; 4096]);
    written.map(|written| written.expect("connected"))
}

/// Waits for data, and then for room.
fn wait_for_both(driver: &mut UringDriver, connection: &mut UringConnection) {
    assert!(poll_read(connection).is_pending());
    take_all(driver);
    while poll_write(connection).is_ready() {}
}

/// Turns until nothing is to be told.
fn take_all(driver: &mut UringDriver) {
    while driver.turn(Some(Duration::ZERO)).expect("it turns") > 0 {}
}

/// Takes out all that is in the peer's queue.
fn make_room(peer: &mut UnixStream) {
    peer.set_nonblocking(true).expect("a socket can be non-blocking");
    let error = std::io::copy(peer, &mut std::io::sink()).expect_err("nothing more is there");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    peer.set_nonblocking(false).expect("a socket can be blocking");
}

#[test]
fn what_comes_together_is_told_together() {
    let Some((mut driver, mut connection, mut peer)) = connected() else { return };
    wait_for_both(&mut driver, &mut connection);
    take_all(&mut driver);
    make_room(&mut peer);
    peer.write_all(b"!").expect("there is room");
    assert_eq!(driver.turn(Some(LIMIT)).expect("it turns"), 1, "of one connection");
    assert_eq!(poll_read(&mut connection), Poll::Ready(1));
    assert_eq!(poll_write(&mut connection), Poll::Ready(4096));
    // And again: it was asked for once and for all.
    while poll_write(&mut connection).is_ready() {}
    assert!(poll_read(&mut connection).is_pending());
    take_all(&mut driver);
    make_room(&mut peer);
    assert_eq!(driver.turn(Some(LIMIT)).expect("it turns"), 1);
    assert_eq!(poll_write(&mut connection), Poll::Ready(4096));
    assert!(poll_read(&mut connection).is_pending());
    peer.write_all(b"!").expect("there is room");
    assert_eq!(driver.turn(Some(LIMIT)).expect("it turns"), 1);
    assert_eq!(poll_read(&mut connection), Poll::Ready(1));
}

/// A poll holds the socket open until it is cancelled, the former and the present one, also when all of
/// that is submitted at once.
#[test]
fn a_connection_that_is_dropped_lets_its_socket_go() {
    for is_submitted_before in [true, false] {
        let Some((mut driver, mut connection, mut peer)) = connected() else { return };
        wait_for_both(&mut driver, &mut connection);
        if is_submitted_before {
            take_all(&mut driver);
        }
        drop(connection);
        take_all(&mut driver);
        peer.read_to_end(&mut Vec::new()).expect("the end comes");
    }
}

/// When reads go by completion again, the poll that told of both tells of room alone.
#[test]
fn who_waits_for_room_still_hears_of_it_when_reads_need_no_poll() {
    let Some((mut driver, mut connection, mut peer)) = connected() else { return };
    let mut receive = |connection: &mut UringConnection, peer: &mut UnixStream, length: usize| {
        peer.write_all(&vec![7; length]).expect("there is room");
        loop {
            match connection.poll_recv(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(chunk) => break chunk.expect("connected").len(),
                Poll::Pending => _ = driver.turn(Some(LIMIT)).expect("it turns"),
            }
        }
    };
    // Large pieces go by readiness, and then small ones that way, too, for a while.
    for _ in 0..3 {
        assert_eq!(receive(&mut connection, &mut peer, 16 * 1024), 16 * 1024);
    }
    assert_eq!(receive(&mut connection, &mut peer, 1), 1);
    while poll_write(&mut connection).is_ready() {}
    for _ in 0..20 {
        assert_eq!(receive(&mut connection, &mut peer, 1), 1);
    }
    take_all(&mut driver);
    assert!(poll_write(&mut connection).is_pending());
    make_room(&mut peer);
    driver.turn(Some(LIMIT)).expect("it turns");
    assert_eq!(poll_write(&mut connection), Poll::Ready(4096));
    // By readiness once more.
    while poll_read(&mut connection).is_pending() {
        peer.write_all(b"!").expect("there is room");
        assert!(driver.turn(Some(LIMIT)).expect("it turns") > 0);
    }
}
