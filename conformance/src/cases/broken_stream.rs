//! How streams break: cases 92, 93, 95 and 96 (rules S2, S3).

use std::fs;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use futures_lite::future::{poll_once, yield_now};
use nix::sys::signal::{SigSet, Signal};
use transport_core::{Chunk, PollRead, PollWrite};

use crate::case::{Case, cases};
use crate::cases::flow;
use crate::cases::meeting::on_both_sides;
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture};
use crate::oracle::{Pattern, beside};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        92 unread_at_close,
        93 own_data_before_reset,
        95 no_sigpipe,
        96 partial_count_then_broken_pipe,
    ]
}

fn unread_at_close<F: Fixture>(cx: &mut Context<F>) {
    // Nobody read here, so the kernel itself tells the peer that bytes were lost.
    on_both_sides(cx, async |connection, mut peer| {
        peer.write_all(b"never read").expect("connected");
        drop(connection);
        let (first, second, third) = beside(move || three_reads(&mut peer)).await;
        let reset = Err(ErrorKind::ConnectionReset);
        assert_eq!(first, reset, "bytes that were never read are reported to the peer");
        assert_eq!((second, third), (Ok(0), Ok(0)), "once, and then the stream has ended");
    });
    // The other way round.
    on_both_sides(cx, async |mut connection, peer| {
        connection.write_all(b"never read").await.expect("connected");
        drop(peer);
        let error = connection.read(&mut [0; 8]).await.expect_err("the peer left bytes unread");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        for _ in 0..3 {
            let end = connection.read(&mut [0; 8]).await.expect("a reset is reported once");
            assert_eq!(end, 0, "after the reset the stream has ended");
        }
    });
    if F::capabilities().contains(Capabilities::CONCURRENT) {
        unread_after_a_dropped_read(cx);
    }
}

/// A receive that was started may have taken the bytes out of the kernel, which then has nothing
/// to report.
fn unread_after_a_dropped_read<F: Fixture>(cx: &Context<F>) {
    for owned in [false, true] {
        on_both_sides(cx, async |mut connection, mut peer| {
            let early = match owned {
                true => poll_once(connection.recv()).await.is_some(),
                false => poll_once(connection.read(&mut [0; 8])).await.is_some(),
            };
            assert!(!early, "nothing was sent yet");
            peer.write_all(b"never read").expect("connected");
            for _ in 0..3 {
                yield_now().await;
            }
            drop(connection);
            let (first, second, third) = beside(move || three_reads(&mut peer)).await;
            let reset = Err(ErrorKind::ConnectionReset);
            assert!(
                first == reset || owned && first == Ok(0),
                "reset or, if owned, the end: {first:?}"
            );
            assert_eq!((second, third), (Ok(0), Ok(0)), "then the stream has ended");
        });
    }
}

type Answer = Result<usize, ErrorKind>;

fn three_reads(peer: &mut UnixStream) -> (Answer, Answer, Answer) {
    let mut read = || peer.read(&mut [0; 16]).map_err(|error| error.kind());
    (read(), read(), read())
}

fn own_data_before_reset<F: Fixture>(cx: &mut Context<F>) {
    for owned in [false, true] {
        on_both_sides(cx, async |mut connection, mut peer| {
            connection.write_all(b"never read").await.expect("connected");
            peer.write_all(b"farewell").expect("connected");
            drop(peer);
            let mut received = Vec::new();
            let error = loop {
                match flow::read_or_recv(&mut connection, owned).await {
                    Ok(bytes) if bytes.is_empty() => panic!("the reset comes before the end"),
                    Ok(bytes) => received.extend_from_slice(&bytes),
                    Err(error) => break error,
                }
            };
            assert_eq!(received, b"farewell", "what the peer sent comes before the reset");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            for _ in 0..3 {
                let end = flow::read_or_recv(&mut connection, owned)
                    .await
                    .expect("a reset is reported once");
                assert!(end.is_empty(), "after the reset the stream has ended");
            }
        });
    }
}

fn no_sigpipe<F: Fixture>(cx: &mut Context<F>) {
    // Rust programs ignore SIGPIPE, so a signal would go unnoticed. While it is blocked, a signal
    // stays pending, also an ignored one: then /proc shows what the default would have died of.
    let signals = SigSet::from(Signal::SIGPIPE);
    signals.thread_block().expect("a thread can block signals");
    let (one, other) = UnixStream::pair().expect("a pair");
    drop(other);
    nix::unistd::write(&one, b"x").expect_err("nobody reads");
    assert!(take_pending_sigpipe(), "the control: write(2) without MSG_NOSIGNAL raises SIGPIPE");
    on_both_sides(cx, async |mut connection, peer| {
        drop(peer);
        let written = connection.write(b"x").await.expect_err("nobody reads");
        assert_eq!(written.kind(), ErrorKind::BrokenPipe);
        let slices = [IoSlice::new(b"x")];
        let written = connection.write_vectored(&slices).await.expect_err("nobody reads");
        assert_eq!(written.kind(), ErrorKind::BrokenPipe);
        let sent = async {
            connection.send(&mut Chunk::from(&b"x"[..])).await?;
            connection.flush().await
        };
        let sent = sent.await.expect_err("nobody reads");
        assert_eq!(sent.kind(), ErrorKind::BrokenPipe, "a failed send is reported: {sent}");
        drop(connection);
        assert!(
            !take_pending_sigpipe(),
            "a write to a peer that left answers EPIPE, without SIGPIPE"
        );
    });
    signals.thread_unblock().expect("a thread can unblock signals");
}

/// Whether SIGPIPE is pending for this thread; then it is no more.
fn take_pending_sigpipe() -> bool {
    let status =
        fs::read_to_string("/proc/thread-self/status").expect("Linux shows a thread's status");
    let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:"));
    let pending = pending.expect("Linux shows pending signals").trim();
    let pending = u64::from_str_radix(pending, 16).expect("it is a mask in hexadecimal");
    let is_pending = pending & (1 << (Signal::SIGPIPE as u32 - 1)) != 0;
    if is_pending {
        SigSet::from(Signal::SIGPIPE).wait().expect("a pending signal can be taken");
    }
    is_pending
}

fn partial_count_then_broken_pipe<F: Fixture>(cx: &mut Context<F>) {
    const READ_BEFORE: usize = 1_000_000;
    on_both_sides(cx, async |mut connection, mut peer| {
        let reader = beside(move || {
            let mut expected = Pattern::new(96);
            let mut buf = vec![0; READ_BEFORE];
            peer.read_exact(&mut buf).expect("the writer writes more than that");
            expected.check(&buf);
            // From here on nothing more enters the queue, and what is in it can be read.
            peer.shutdown(Shutdown::Read).expect("a reading side can be closed");
            flow::receive_rest(&peer, &mut expected).expect("then the end");
            expected.position()
        });
        let mut sent = Pattern::new(96);
        let error = loop {
            match connection.write(&sent.peek(700_000)).await {
                Ok(written) => sent.advance(written),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "a closed reader breaks the pipe: {error}");
        assert_eq!(
            reader.await,
            sent.position(),
            "a write reports exactly the bytes that it queued"
        );
    });
}
