//! Passing descriptors: cases 131 to 140 (rule K2).

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use futures_lite::future::{block_on, yield_now};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use transport_core::{
    AdoptOptions, Connection, Descriptors, PollRead, PollWrite, Transport, descriptors,
};

use crate::case::{Case, cases};
use crate::cases::meeting::Side;
use crate::cases::settling::no_more_descriptors_than;
use crate::census::Census;
use crate::context::Context;
use crate::fixture::{ConnectionOf, Fixture};
use crate::{host, oracle};

/// The most descriptors that one message carries.
const MOST: usize = Descriptors::MOST as usize;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        131 refused_by_default,
        132 one_and_253_arrive_close_on_exec needs DESCRIPTORS,
        133 more_than_253_refused needs DESCRIPTORS,
        134 refused_without_a_data_byte needs DESCRIPTORS,
        135 messages_do_not_merge needs DESCRIPTORS,
        136 partial_read_delivers_once needs DESCRIPTORS,
        137 over_the_limit needs DESCRIPTORS,
        138 receiver_without_room needs DESCRIPTORS,
        139 too_many_in_flight needs DESCRIPTORS,
        140 sender_keeps_its_own needs DESCRIPTORS,
    ]
}

fn refused_by_default<F: Fixture>(cx: &mut Context<F>) {
    let file = file(cx, "sent");
    cx.run(async |transport| {
        for side in Side::BOTH {
            let (connection, peer) = side.meet(cx, &transport).await;
            refuses(connection, peer, &file).await;
        }
        let (connection, peer) = transport.pair(&AdoptOptions::new()).expect("a pair");
        let peer = peer.as_fd().try_clone_to_owned().expect("it can be duplicated");
        refuses(connection, peer.into(), &file).await;
        let (ours, peer) = UnixStream::pair().expect("a pair");
        let adopted = transport.adopt_connection(ours.into(), &AdoptOptions::new());
        refuses(adopted.expect("it is connected"), peer, &file).await;
        older_messages_do_not_stall(&transport, &file).await;
    });
}

/// A socket that is adopted with messages in its queue which were sent before it refused: reads
/// stop at each, and must go on by themselves.
async fn older_messages_do_not_stall(transport: &impl Transport, file: &File) {
    let before = Census::take();
    let (ours, peer) = UnixStream::pair().expect("a pair");
    for _ in 0..3 {
        oracle::send_descriptors(&peer, b"x", &[file.as_fd()]).expect("nobody refuses yet");
    }
    let adopted = transport.adopt_connection(ours.into(), &AdoptOptions::new());
    let mut connection = adopted.expect("it is connected");
    // A driver's news of the queue may come at any of these reads.
    for _ in 0..3 {
        reads_without_descriptors(&mut connection, false).await;
    }
    drop((connection, peer));
    no_more_descriptors_than(&before).await;
}

async fn refuses(mut connection: impl Connection, peer: UnixStream, file: &File) {
    let before = Census::take();
    match oracle::send_descriptors(&peer, b"x", &[file.as_fd()]) {
        Err(errno) => {
            assert_eq!(errno, Errno::EPERM, "the kernel refuses them, from Linux 6.16 on")
        }
        Ok(_) => reads_without_descriptors(&mut connection, false).await,
    }
    // An older kernel lets them through; then they are closed on receipt.
    let let_through = Descriptors::Accept { limit: 1 };
    descriptors::apply(connection.as_fd(), let_through).expect("a socket option");
    for owned in [false, true] {
        oracle::send_descriptors(&peer, b"x", &[file.as_fd()]).expect("the kernel lets it through");
        reads_without_descriptors(&mut connection, owned).await;
    }
    let mut buf = [0; 8];
    let error = connection.read_descriptors(&mut buf).await.expect_err("nobody allowed it");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "receiving descriptors must be asked for");
    no_more_descriptors_than(&before).await;
}

async fn reads_without_descriptors(connection: &mut impl Connection, owned: bool) {
    if owned {
        assert_eq!(*connection.recv().await.expect("a byte is queued"), *b"x");
    } else {
        let mut buf = [0; 8];
        assert_eq!(connection.read(&mut buf).await.expect("a byte is queued"), 1);
    }
}

fn one_and_253_arrive_close_on_exec<F: Fixture>(cx: &mut Context<F>) {
    let files = [file(cx, "one"), file(cx, "two"), file(cx, "three")];
    allowing(cx, Descriptors::MOST, async |mut connection, peer| {
        for count in [1, 2, MOST] {
            let sent: Vec<_> = files.iter().cycle().take(count).collect();
            let lent: Vec<_> = sent.iter().map(|file| file.as_fd()).collect();
            oracle::send_descriptors(&peer, b"to us", &lent).expect("connected");
            let mut buf = [0; 64];
            let (length, received) =
                connection.read_descriptors(&mut buf).await.expect("a message is queued");
            assert_eq!(&buf[..length], b"to us");
            assert_eq!(targets(&received), targets(&sent), "all arrive, in their order");
            for descriptor in &received {
                let flags = fcntl(descriptor, FcntlArg::F_GETFD).expect("it is open");
                let flags = FdFlag::from_bits_retain(flags);
                assert!(flags.contains(FdFlag::FD_CLOEXEC), "they are close-on-exec");
            }

            let written = connection.write_descriptors(b"to you", &lent).await.expect("connected");
            assert_eq!(written, 6);
            let (bytes, received) = oracle::receive_descriptors(&peer);
            assert_eq!(bytes, b"to you");
            assert_eq!(received.targets(), targets(&sent), "all are sent, in their order");
        }
    });
}

fn more_than_253_refused<F: Fixture>(cx: &mut Context<F>) {
    let file = file(cx, "sent");
    allowing(cx, Descriptors::MOST, async |mut connection, mut peer| {
        let many = vec![file.as_fd(); MOST + 1];
        let error = connection.write_descriptors(b"x", &many).await.expect_err("too many");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "254 descriptors are too many: {error}");
        oracle::exchange(&mut connection, &mut peer).await;
    });
}

fn refused_without_a_data_byte<F: Fixture>(cx: &mut Context<F>) {
    let file = file(cx, "sent");
    allowing(cx, 1, async |mut connection, mut peer| {
        let error = connection.write_descriptors(b"", &[file.as_fd()]).await;
        let error = error.expect_err("the kernel would drop them and report success");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "a byte must carry them: {error}");
        oracle::exchange(&mut connection, &mut peer).await;
    });
}

fn messages_do_not_merge<F: Fixture>(cx: &mut Context<F>) {
    let (one, two) = (file(cx, "one"), file(cx, "two"));
    allowing(cx, 4, async |mut connection, peer| {
        for round in 0..3 {
            oracle::send_descriptors(&peer, b"a", &[one.as_fd()]).expect("connected");
            oracle::send_descriptors(&peer, b"b", &[two.as_fd()]).expect("connected");
            (&peer).write_all(b"c").expect("connected");
            if round == 1 {
                yield_now().await;
            }
            for (byte, file) in [(b"a", Some(&one)), (b"b", Some(&two)), (b"c", None)] {
                let mut buf = [0; 64];
                let (length, received) =
                    connection.read_descriptors(&mut buf).await.expect("messages are queued");
                assert_eq!(&buf[..length], byte, "messages with descriptors come one by one");
                let expected: Vec<_> = file.into_iter().collect();
                assert_eq!(targets(&received), targets(&expected), "each with its own");
            }
        }
    });
}

fn partial_read_delivers_once<F: Fixture>(cx: &mut Context<F>) {
    let file = file(cx, "sent");
    allowing(cx, 1, async |mut connection, peer| {
        oracle::send_descriptors(&peer, b"abc", &[file.as_fd()]).expect("connected");
        for (byte, count) in [(b"a", 1), (b"b", 0), (b"c", 0)] {
            let mut buf = [0; 1];
            let (_, received) = connection.read_descriptors(&mut buf).await.expect("it is queued");
            assert_eq!(&buf, byte);
            assert_eq!(received.len(), count, "descriptors come once, with the first byte");
        }
        // Another read takes the bytes alone, and the descriptors are closed.
        let before = Census::take();
        oracle::send_descriptors(&peer, b"abc", &[file.as_fd()]).expect("connected");
        let mut buf = [0; 1];
        assert_eq!(connection.read(&mut buf).await.expect("it is queued"), 1);
        let (_, received) = connection.read_descriptors(&mut buf).await.expect("it is queued");
        assert!(received.is_empty(), "the byte that carried them was read without them");
        assert_eq!(*connection.recv().await.expect("it is queued"), *b"c");
        no_more_descriptors_than(&before).await;
    });
}

fn over_the_limit<F: Fixture>(cx: &mut Context<F>) {
    let file = file(cx, "sent");
    // The kernel rounds the room for control messages up, so an odd limit has room for one more.
    for (limit, sent) in [(1, 2), (1, 3), (2, 3), (3, MOST)] {
        allowing(cx, limit, async |mut connection, mut peer| {
            let before = Census::take();
            let lent = vec![file.as_fd(); sent];
            oracle::send_descriptors(&peer, b"abc", &lent).expect("connected");
            let mut buf = [0; 64];
            let error = connection.read_descriptors(&mut buf).await;
            let error = error.expect_err("a message brought more than the limit");
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{sent} are over {limit}: {error}");
            no_more_descriptors_than(&before).await;
            let (length, received) =
                connection.read_descriptors(&mut buf).await.expect("the bytes are kept");
            assert_eq!(&buf[..length], b"abc", "the bytes of a refused message are not lost");
            assert!(received.is_empty(), "all of its descriptors are closed");
            let allowed = vec![file.as_fd(); usize::from(limit)];
            oracle::send_descriptors(&peer, b"d", &allowed).expect("connected");
            let (_, received) = connection.read_descriptors(&mut buf).await.expect("it is queued");
            assert_eq!(received.len(), allowed.len(), "as many as the limit are no error");
            oracle::exchange(&mut connection, &mut peer).await;
        });
    }
}

fn receiver_without_room<F: Fixture>(cx: &mut Context<F>) {
    let file = file(cx, "sent");
    allowing(cx, 8, async |mut connection, mut peer| {
        let before = Census::take();
        oracle::send_descriptors(&peer, b"abc", &[file.as_fd(); 3]).expect("connected");
        let mut buf = [0; 64];
        // The message is queued, so the read need not wait for the driver.
        let answer = host::with_spare_descriptors(1, || {
            block_on(connection.read_descriptors(&mut buf)).map(drop)
        });
        let error = answer.expect_err("three descriptors and one place");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "cut off is an error: {error}");
        no_more_descriptors_than(&before).await;
        let count = connection.read(&mut buf).await.expect("the bytes are kept");
        assert_eq!(&buf[..count], b"abc", "the bytes of a refused message are not lost");
        oracle::exchange(&mut connection, &mut peer).await;
    });
}

fn too_many_in_flight<F: Fixture>(cx: &mut Context<F>) {
    const LIMIT: u64 = 1024;
    let file = file(cx, "sent");
    // Root may have as many in flight as it likes.
    host::become_unprivileged();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be asked for");
    setrlimit(Resource::RLIMIT_NOFILE, LIMIT.min(hard), hard).expect("a limit can be lowered");
    cx.run(async |transport| {
        let (mut one, mut other) = pair(&transport);
        let lent = [file.as_fd(); MOST];
        let mut messages = 0;
        let error = loop {
            assert!(messages * MOST <= 2 * LIMIT as usize, "the kernel limits what is in flight");
            match one.write_descriptors(b"x", &lent).await {
                Ok(_) => messages += 1,
                Err(error) => break error,
            }
        };
        let errno = error.raw_os_error();
        assert_eq!(errno, Some(libc::ETOOMANYREFS), "the cause reaches the caller: {error}");
        for _ in 0..messages {
            let (_, received) = other.read_descriptors(&mut [0; 8]).await.expect("it is queued");
            assert_eq!(received.len(), MOST, "what was sent before arrives");
        }
        one.write_descriptors(b"x", &lent[..1]).await.expect("then there is room again");
        let (_, received) = other.read_descriptors(&mut [0; 8]).await.expect("it is queued");
        assert_eq!(received.len(), 1);
    });
}

fn sender_keeps_its_own<F: Fixture>(cx: &mut Context<F>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    cx.run(async |transport| {
        let (mut one, mut other) = pair(&transport);
        one.write_descriptors(b"x", &[ours.as_fd()]).await.expect("connected");
        (&ours).write_all(b"sender").expect("the sender still owns its descriptor");
        let (_, mut received) = other.read_descriptors(&mut [0; 8]).await.expect("it is queued");
        drop(ours);
        let received = UnixStream::from(received.pop().expect("one came"));
        (&received).write_all(b"receiver").expect("the receiver's own outlives the sender's");
        drop(received);
        let mut said = String::new();
        (&theirs).read_to_string(&mut said).expect("with both, the socket is closed");
        assert_eq!(said, "senderreceiver", "two descriptors, one socket");
    });
}

/// Runs `body` on connections of either side that may receive so many descriptors with a message.
fn allowing<F: Fixture>(
    cx: &Context<F>,
    limit: u8,
    body: impl AsyncFn(ConnectionOf<F>, UnixStream),
) {
    let policy = Descriptors::Accept { limit };
    cx.run(async |transport| {
        for side in Side::BOTH {
            let (connection, peer) = side.meet_with_descriptors(cx, &transport, policy).await;
            body(connection, peer).await;
        }
    });
}

fn pair<T: Transport>(transport: &T) -> (T::Connection, T::Connection) {
    let policy = Descriptors::Accept { limit: Descriptors::MOST };
    transport.pair(&AdoptOptions::new().descriptors(policy)).expect("a pair")
}

/// A file to send, whose name shows which it is.
fn file<F: Fixture>(cx: &Context<F>, name: &str) -> File {
    File::create(cx.path(name)).expect("the directory is ours")
}

fn targets(descriptors: &[impl AsFd]) -> Vec<PathBuf> {
    descriptors.iter().map(oracle::target).collect()
}
