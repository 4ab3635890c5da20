//! What can go wrong only on a ring: queued entries that name a descriptor by its number, and hosts
//! that ask for the ring's eventfd late.

mod ring;

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use backend_uring::{Uring, UringDriver};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, MsgFlags};
use transport_core::{
    AdoptOptions, Backend, Driver, PollRead, Prepared, ReadCursor, Runtime, Settings, Transport,
};

use ring::is_available;

/// A receive that is queued, and not submitted yet, when its connection is dropped: whoever gets
/// the descriptor's number next keeps all its bytes.
#[test]
fn a_dropped_receive_takes_nothing_from_the_next_connection() {
    if !is_available() {
        return;
    }
    let mut runtime = Runtime::<Uring>::new(&Settings::default()).expect("io_uring works here");
    let transport = runtime.transport().clone();
    let options = AdoptOptions::new();
    // Before the first turn nothing can be submitted.
    let (mut dropped, far_end) = transport.pair(&options).expect("a pair");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(dropped.poll_recv(&mut cx).is_pending());
    drop((dropped, far_end));
    let pairs: Vec<_> = (0..4).map(|_| UnixStream::pair().expect("a pair")).collect();
    for (one, _) in &pairs {
        (&*one).write_all(b"mine").expect("connected");
    }
    let handle = runtime.handle();
    runtime.block_on(handle.sleep(Duration::from_millis(5)));
    for (_, other) in &pairs {
        other.set_nonblocking(true).expect("sockets can be non-blocking");
        let mut buf = [0; 8];
        assert_eq!((&*other).read(&mut buf).expect("nobody else read it"), 4);
    }
}

/// A host that prepares first and asks for the descriptor then misses nothing.
#[test]
fn a_host_may_ask_for_the_descriptor_after_preparing() {
    if !is_available() {
        return;
    }
    let (transport, mut driver) = Uring::open(&Settings::default()).expect("io_uring works here");
    let (mut connection, peer) = transport.pair(&AdoptOptions::new()).expect("a pair");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(connection.poll_recv(&mut cx).is_pending());
    for _ in 0..5 {
        if let Prepared::SleepUntil(_) = driver.prepare().expect("it prepares") {
            break;
        }
    }
    transport_core::socket::send(std::os::fd::AsFd::as_fd(&peer), b"x").expect("connected");
    loop {
        let event = driver.wait_fd().expect("a ring can be nested");
        let mut asked = [PollFd::new(event, PollFlags::POLLIN)];
        assert_eq!(poll(&mut asked, PollTimeout::from(5000u16)).expect("it polls"), 1, "lost");
        driver.dispatch().expect("it dispatches");
        if connection.poll_recv(&mut cx).is_ready() {
            break;
        }
        while driver.prepare().expect("it prepares") == Prepared::Ready {}
    }
}

/// More requests than the submission queue has room for, all queued before a host prepares.
#[test]
fn a_host_does_not_sleep_while_entries_wait() {
    if !is_available() {
        return;
    }
    let mut settings = Settings::default();
    settings.events = 8;
    let (transport, mut driver) = Uring::open(&settings).expect("io_uring works here");
    let mut cx = Context::from_waker(Waker::noop());
    let mut pairs: Vec<_> =
        (0..60).map(|_| transport.pair(&AdoptOptions::new()).expect("a pair")).collect();
    for (one, other) in &mut pairs {
        assert!(one.poll_recv(&mut cx).is_pending());
        transport_core::socket::send(std::os::fd::AsFd::as_fd(other), b"x").expect("connected");
    }
    while driver.prepare().expect("it prepares") == Prepared::Ready {}
    for (one, _) in &mut pairs {
        assert!(one.poll_recv(&mut cx).is_ready(), "every request was submitted");
    }
}

/// A read stops short at an out-of-band byte, and what lies behind it is found by a driver that never
/// sleeps, too.
#[test]
fn a_busy_driver_finds_what_lies_behind_an_out_of_band_byte() {
    if !is_available() {
        return;
    }
    let (transport, mut driver) = Uring::open(&Settings::default()).expect("io_uring works here");
    let (mut connection, peer) = transport.pair(&AdoptOptions::new()).expect("a pair");
    let mut read = |driver: &mut UringDriver| {
        let mut buffer = [0; 8];
        let mut cursor = ReadCursor::new(&mut buffer);
        let poll = connection.poll_read(&mut Context::from_waker(Waker::noop()), &mut cursor);
        let count = cursor.filled_len();
        driver.turn(Some(Duration::ZERO)).expect("it turns");
        poll.map_ok(|()| buffer[..count].to_vec())
    };
    assert!(read(&mut driver).is_pending());
    let send = |bytes: &[u8], flags| socket::send(peer.as_fd().as_raw_fd(), bytes, flags);
    send(b"ab", MsgFlags::empty()).expect("there is room");
    if let Err(errno) = send(b"!", MsgFlags::MSG_OOB) {
        // Kernels without CONFIG_AF_UNIX_OOB: nothing can be in the way.
        return assert_eq!(errno, Errno::EOPNOTSUPP);
    }
    send(b"cd", MsgFlags::empty()).expect("there is room");
    let mut received = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while received != b"abcd" {
        assert!(Instant::now() < deadline, "only {received:?} came");
        if let Poll::Ready(bytes) = read(&mut driver) {
            received.extend(bytes.expect("it is open"));
        }
    }
}
