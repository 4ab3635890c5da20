//! A driver in a host's loop: before the host sleeps, all that the kernel put off is done.

mod ring;

use std::future::poll_fn;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use backend_uring::{Uring, UringDriver};
use bytes::Bytes;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use transport_core::{
    AdoptOptions, Backend, Chunk, Driver, PollRead, PollWrite, Prepared, ReadCursor, Runtime,
    Settings, Transport,
};

use ring::is_available;

/// How long anything may take before its test fails.
const LIMIT: Duration = Duration::from_secs(5);

/// Many more than the kernel does in one call.
const CONNECTIONS: usize = 100;

/// Does what a host does, until nothing is left to do.
fn settle(driver: &mut UringDriver) {
    while driver.prepare().expect("it prepares") == Prepared::Ready {
        driver.dispatch().expect("it dispatches");
    }
}

/// The ends of their polls are told to nobody, so that they don't look like work; but each holds its
/// socket open until it is done.
#[test]
fn connections_that_another_thread_drops_are_all_closed() {
    if !is_available() {
        return;
    }
    let (transport, mut driver) = Uring::open(&Settings::default()).expect("io_uring works here");
    assert!(driver.wait_fd().is_some(), "the ring can be nested");
    let mut connections = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        let (ours, peer) = UnixStream::pair().expect("two descriptors");
        ours.set_nonblocking(true).expect("a socket can be non-blocking");
        peer.set_nonblocking(true).expect("a socket can be non-blocking");
        let ours = transport.adopt_connection(ours.into(), &AdoptOptions::new());
        let mut ours = ours.expect("a stream");
        let (mut memory, mut cx) = ([0; 1], Context::from_waker(Waker::noop()));
        let is_read = ours.poll_read(&mut cx, &mut ReadCursor::new(&mut memory)).is_ready();
        assert!(!is_read, "nothing was sent");
        connections.push(ours);
        peers.push(peer);
    }
    settle(&mut driver);
    thread::spawn(move || drop(connections)).join().expect("nothing panics");
    let begun = Instant::now();
    loop {
        settle(&mut driver);
        peers.retain_mut(|peer| match peer.read(&mut [0]) {
            Ok(0) => false,
            open => {
                let errno = open.expect_err("nothing is sent").raw_os_error();
                assert_eq!(errno, Some(Errno::EAGAIN as i32));
                true
            }
        });
        if peers.is_empty() {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{} connections are still open", peers.len());
        let event = driver.wait_fd().expect("as before");
        let limit = PollTimeout::try_from(LIMIT).expect("seconds");
        let told = poll(&mut [PollFd::new(event, PollFlags::POLLIN)], limit).expect("it waits");
        assert!(told > 0, "{} connections are open, and the host sleeps", peers.len());
        driver.dispatch().expect("it dispatches");
    }
}

/// Memory that somebody waits to have back.
struct Lent(Arc<Mutex<Home>>);

#[derive(Default)]
struct Home {
    is_back: bool,
    waiting: Option<Waker>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        b"message"
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let waiting = {
            let mut home = self.0.lock().expect("nothing panics");
            home.is_back = true;
            home.waiting.take()
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// The turn in which a send is concluded tells of nothing, but drops what was sent.
#[test]
fn who_waits_for_memory_that_was_sent_is_woken_before_the_driver_sleeps() {
    if !is_available() {
        return;
    }
    let mut settings = Settings::default();
    settings.direct_sends = Some(false);
    let (transport, driver) = Uring::open(&settings).expect("io_uring works here");
    assert!(driver.wait_fd().is_some(), "the ring can be nested");
    let mut runtime = Runtime::<Uring>::from_parts(transport, driver);
    let pair = runtime.transport().pair(&AdoptOptions::new());
    let (mut connection, _peer) = pair.expect("two descriptors");
    let home = Arc::<Mutex<Home>>::default();
    let lent = Chunk::from(Bytes::from_owner(Lent(Arc::clone(&home))));
    let sent = runtime.spawn(async move {
        let sent = connection.send_all(lent).await;
        sent.map(|()| connection)
    });
    let back = runtime.spawn(poll_fn(move |cx| {
        let mut home = home.lock().expect("nothing panics");
        home.waiting = Some(cx.waker().clone());
        if home.is_back { Poll::Ready(()) } else { Poll::Pending }
    }));
    let limit = runtime.timeout(LIMIT, back);
    runtime.block_on(limit).expect("it is woken, and the driver does not sleep before it ran");
    runtime.block_on(sent).expect("it was sent");
}
