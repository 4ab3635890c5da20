//! The owned path: sends that succeed in silence, and pieces that change their size.

mod ring;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use backend_uring::Uring;
use transport_core::{
    AdoptOptions, AnyTransport, Backend, BytePath, Chunk, Driver, PollRead, PollWrite, Runtime,
    Settings, Transport, socket,
};

use ring::is_available;

/// How long anything may take before its test fails.
const LIMIT: Duration = Duration::from_secs(10);

/// Settings by which owned sends of small pieces are calls of `send(2)`, or else go through the ring.
fn with_sends(are_direct: bool) -> Settings {
    let mut settings = Settings::default();
    settings.direct_sends = Some(are_direct);
    settings
}

/// A connection of this transport, and its peer as the standard library has it.
fn connected<T: Transport>(transport: &T) -> (T::Connection, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("two descriptors");
    ours.set_nonblocking(true).expect("a socket can be non-blocking");
    peer.set_read_timeout(Some(LIMIT)).expect("not zero");
    peer.set_write_timeout(Some(LIMIT)).expect("not zero");
    let ours = transport.adopt_connection(ours.into(), &AdoptOptions::new());
    let mut ours = ours.expect("a stream");
    ours.set_read_deadline(Some(Instant::now() + LIMIT));
    ours.set_write_deadline(Some(Instant::now() + LIMIT));
    (ours, peer)
}

/// An answer alone ends no wait, so that a question costs one system call.
#[test]
fn a_send_that_nobody_waits_for_does_not_end_the_sleep() {
    if !is_available() {
        return;
    }
    let (transport, mut driver) = Uring::open(&with_sends(false)).expect("io_uring works here");
    let (mut connection, mut peer) = connected(&transport);
    driver.turn(Some(Duration::ZERO)).expect("it turns");
    let mut cx = Context::from_waker(Waker::noop());
    let mut answer = Chunk::from(&b"answer"[..]);
    assert!(matches!(connection.poll_send(&mut cx, &mut answer), Poll::Ready(Ok(6))));
    let (begun, limit) = (Instant::now(), Duration::from_millis(20));
    assert_eq!(driver.turn(Some(limit)).expect("it turns"), 0, "nothing was to be told");
    assert!(begun.elapsed() >= limit, "the sleep ended early");
    let mut got = [0; 6];
    peer.read_exact(&mut got).expect("it was sent");
    assert_eq!(&got, b"answer");
    // And it is known to be over.
    assert!(matches!(connection.poll_flush(&mut cx), Poll::Ready(Ok(()))));
}

/// Which of the two ways is taken: a direct send has arrived before the ring was ever entered.
#[test]
fn a_send_is_made_as_it_was_asked_for() {
    if !is_available() {
        return;
    }
    for are_direct in [false, true] {
        let (transport, mut driver) = Uring::open(&with_sends(are_direct)).expect("it works here");
        let cheaper = if are_direct { BytePath::Borrowed } else { BytePath::Owned };
        assert_eq!(transport.cheaper_path(), cheaper);
        assert_eq!(AnyTransport::new(transport.clone()).cheaper_path(), cheaper);
        let (mut connection, peer) = connected(&transport);
        let has_arrived = || socket::is_readable(peer.as_fd()).expect("it is open");
        let mut cx = Context::from_waker(Waker::noop());
        let mut answer = Chunk::from(&b"answer"[..]);
        assert!(matches!(connection.poll_send(&mut cx, &mut answer), Poll::Ready(Ok(6))));
        assert_eq!(has_arrived(), are_direct);
        driver.turn(Some(Duration::ZERO)).expect("it turns");
        assert!(has_arrived());
    }
}

/// Receives that stop for the same want of buffers bring as many as are needed, and not twice as many
/// each.
#[test]
fn buffers_are_as_many_as_are_needed() {
    if !is_available() {
        return;
    }
    const CONNECTIONS: usize = 50;
    let settings = Settings::default();
    let mut runtime = Runtime::<Uring>::new(&settings).expect("io_uring works here");
    let transport = runtime.transport().clone();
    let lent = || transport.bytes_lent() / settings.buffer_size as usize;
    let few = lent();
    assert!(few < CONNECTIONS / 2, "{few} buffers at first");
    let mut all: Vec<_> = (0..CONNECTIONS).map(|_| connected(&transport)).collect();
    for byte in 0..10 {
        all.iter_mut().for_each(|(_, peer)| peer.write_all(&[byte]).expect("there is room"));
        let received = async {
            for (connection, _) in &mut all {
                assert_eq!(&*connection.recv().await?, &[byte]);
            }
            std::io::Result::Ok(())
        };
        runtime.block_on(received).expect("all were sent");
    }
    assert!(lent() < 2 * CONNECTIONS, "{} buffers for {CONNECTIONS} connections", lent());
}

/// Whoever waits for a silent send on the driver's own thread is woken without another event.
#[test]
fn a_send_behind_another_is_not_left_waiting() {
    if !is_available() {
        return;
    }
    let mut runtime = Runtime::<Uring>::new(&with_sends(false)).expect("io_uring works here");
    let (mut connection, mut peer) = connected(runtime.transport());
    let handle = runtime.handle();
    let sent = runtime.block_on(handle.timeout(LIMIT, async {
        for byte in 0..100 {
            connection.send_all(Chunk::from(vec![byte; 10])).await?;
        }
        connection.flush().await
    }));
    sent.expect("within the time").expect("there is room");
    let mut got = [0; 1000];
    peer.read_exact(&mut got).expect("all was sent");
    assert!(got.iter().enumerate().all(|(at, byte)| at / 10 == usize::from(*byte)), "in order");
}

/// The same on another thread than the sleeping driver's; and what is dropped there is closed.
#[test]
fn another_thread_hears_of_its_sends_and_closes() {
    if !is_available() {
        return;
    }
    let (tell, told) = mpsc::channel();
    let running = thread::spawn(move || {
        let mut runtime = Runtime::<Uring>::new(&with_sends(false)).expect("it works here");
        let (mut waits, ends) = connected(runtime.transport());
        tell.send((runtime.transport().clone(), ends)).expect("the test waits");
        waits.set_read_deadline(None);
        runtime.block_on(waits.recv()).expect("the end of the stream");
    });
    let (transport, ends) = told.recv().expect("the runtime began");
    for round in 0..100 {
        let (mut connection, mut peer) = connected(&transport);
        futures_executor::block_on(async {
            connection.send_all(Chunk::from(vec![round; 10])).await.expect("there is room");
            if round % 2 == 0 {
                connection.flush().await.expect("it was sent");
            }
        });
        drop(connection);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).expect("the connection closes when all is sent");
        assert_eq!(got, [round; 10]);
    }
    drop(ends);
    running.join().expect("it ends");
}

/// Sizes on both sides of the limit between completion and readiness, received by both paths, and
/// with more under way than the socket takes: every byte comes back, in order.
#[test]
fn pieces_of_changing_sizes_keep_their_order() {
    if !is_available() {
        return;
    }
    for are_direct in [false, true] {
        pieces_keep_their_order(&with_sends(are_direct));
    }
}

fn pieces_keep_their_order(settings: &Settings) {
    let mut runtime = Runtime::<Uring>::new(settings).expect("io_uring works here");
    let (mut connection, mut peer) = connected(runtime.transport());
    let mut writer = peer.try_clone().expect("a descriptor to spare");
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let pieces = move || {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut next = 0_u8;
        (0..600).map(move |at| {
            // Runs of small ones, of large ones, and of both.
            let most = [100, 40_000, 12_000][at / 20 % 3];
            let length = random.usize(1..most);
            next = next.wrapping_add(7);
            vec![next; length]
        })
    };
    let writing = thread::spawn(move || {
        pieces().for_each(|piece| writer.write_all(&piece).expect("the peer reads"));
        writer.shutdown(std::net::Shutdown::Write).expect("connected");
    });
    let reading = thread::spawn(move || {
        for piece in pieces() {
            let mut got = vec![0; piece.len()];
            peer.read_exact(&mut got).expect("it comes back");
            assert!(got == piece, "out of order");
        }
    });
    let mut random = fastrand::Rng::with_seed(seed);
    runtime.block_on(async {
        let mut buffer = vec![0; 20_000];
        loop {
            let chunk = match random.u8(..8) {
                0 => {
                    let read = connection.read(&mut buffer).await.expect("connected");
                    Chunk::from(&buffer[..read])
                }
                _ => connection.recv().await.expect("connected"),
            };
            match chunk.len() {
                0 => break,
                _ if random.u8(..8) == 0 => connection.write_all(&chunk).await.expect("connected"),
                _ => connection.send_all(chunk).await.expect("connected"),
            }
        }
    });
    writing.join().expect("all was written");
    reading.join().expect("all came back");
}

/// Data and the end arrive while the receive is being armed, which a multishot receive can miss: no
/// reader waits for ever.
#[test]
fn an_end_that_comes_while_the_receive_begins_is_seen() {
    if !is_available() {
        return;
    }
    let mut runtime = Runtime::<Uring>::new(&with_sends(false)).expect("io_uring works here");
    let (give, given) = mpsc::channel::<UnixStream>();
    let writing = thread::spawn(move || {
        for mut peer in given {
            for _ in 0..fastrand::u8(1..6) {
                peer.write_all(&[7; 4096]).expect("the reader reads");
            }
            peer.shutdown(std::net::Shutdown::Write).expect("connected");
        }
    });
    let transport = runtime.transport().clone();
    runtime.block_on(async {
        let until = Instant::now() + Duration::from_secs(3);
        let mut count = 0;
        while Instant::now() < until {
            let (mut ours, peer) = connected(&transport);
            give.send(peer).expect("the writer goes on");
            while !ours.recv().await.expect("the end of the stream").is_empty() {}
            count += 1;
        }
        println!("{count} streams");
    });
    drop(give);
    writing.join().expect("all was written");
}
