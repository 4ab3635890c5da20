//! Streams: cases 85, 90, 97 to 100, 106 to 108 and 110 (rules S3, S5).

use std::io::{IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::mpsc;

use futures_lite::future::{block_on, poll_once, yield_now, zip};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use transport_core::{
    Chunk, ConnectOptions, Connection, ListenOptions, Listener, PollRead, PollWrite, Transport,
};

use crate::case::{Case, cases};
use crate::cases::flow::{self, LENGTHS};
use crate::cases::meeting::on_both_sides;
use crate::cases::settling::{no_more_descriptors_than, turns_until};
use crate::census::Census;
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture};
use crate::oracle::{self, Pattern, beside};

const MIB: usize = 1024 * 1024;

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        85 echo,
        90 halves_on_two_threads,
        97 empty_reads_and_writes,
        98 full_buffer_waits,
        99 writes_without_the_writable_hint,
        100 vectored,
        106 queued_byte_count,
        107 out_of_band_byte_ignored,
        108 send_buffer_size,
        110 thousand_short_connections,
    ]
}

fn echo<F: Fixture>(cx: &mut Context<F>) {
    for (seed, length) in LENGTHS.into_iter().enumerate() {
        on_both_sides(cx, async |mut connection, peer| {
            let client = beside(move || flow::check_echo(&peer, seed as u64, length));
            flow::echo(&mut connection).await;
            client.await;
        });
    }
}

fn halves_on_two_threads<F: Fixture>(cx: &mut Context<F>) {
    const LENGTH: usize = 4 * MIB;
    on_both_sides(cx, async |connection, peer| {
        let (mut read, mut write) = connection.split();
        let sender = peer.try_clone().expect("a socket can be duplicated");
        let sender = beside(move || {
            flow::send(&sender, &mut Pattern::new(1), LENGTH).expect("the reading half reads");
            sender.shutdown(std::net::Shutdown::Write).expect("a stream can be ended");
        });
        let receiver = beside(move || flow::receive_to_end(&peer, 2).expect("the stream is whole"));
        let reader = beside(move || {
            block_on(flow::read_to_end(&mut read, 1)).expect("a half works on another thread")
        });
        write.write_all(&Pattern::new(2).take(LENGTH)).await.expect("the peer reads");
        write.close_write().await.expect("a half can be closed");
        assert_eq!(reader.await, LENGTH as u64, "the reading half reads everything");
        assert_eq!(receiver.await, LENGTH as u64, "the writing half writes everything");
        sender.await;
    });
    if F::capabilities().contains(Capabilities::CONCURRENT) {
        halves_in_two_tasks(cx, LENGTH);
    }
}

fn halves_in_two_tasks<F: Fixture>(cx: &Context<F>, length: usize) {
    on_both_sides(cx, async |connection, peer| {
        let (mut read, mut write) = connection.split();
        let peer = beside(move || {
            let mut received = Pattern::new(3);
            let mut buf = vec![0; 64 * 1024];
            while let count @ 1.. = (&peer).read(&mut buf).expect("the stream is whole") {
                received.check(&buf[..count]);
                (&peer).write_all(&buf[..count]).expect("the echo is read");
            }
        });
        let writing = async {
            write.write_all(&Pattern::new(3).take(length)).await.expect("the peer reads");
            write.close_write().await.expect("a half can be closed");
        };
        let reading = async {
            let mut expected = Pattern::new(3);
            let mut buf = vec![0; 64 * 1024];
            while expected.position() < length as u64 {
                let count = read.read(&mut buf).await.expect("the echo comes");
                expected.check(&buf[..count]);
            }
        };
        zip(writing, reading).await;
        peer.await;
    });
}

fn empty_reads_and_writes<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, mut peer| {
        // Nothing is queued: recv(2) of zero bytes would wait here.
        let read = connection.read(&mut []).await.expect("reading nothing works");
        assert_eq!(read, 0, "a read without room is done at once, also on an empty queue");
        peer.write_all(b"x").expect("connected");
        assert_eq!(connection.read(&mut []).await.expect("reading nothing works"), 0);
        assert_eq!(connection.write(&[]).await.expect("writing nothing works"), 0);
        let empty = [IoSlice::new(&[]), IoSlice::new(&[])];
        assert_eq!(connection.write_vectored(&[]).await.expect("writing no slices works"), 0);
        assert_eq!(connection.write_vectored(&empty).await.expect("empty slices work"), 0);
        assert_eq!(connection.send(&mut Chunk::new()).await.expect("sending nothing works"), 0);
        oracle_byte(&mut connection, b'x').await;
        oracle::exchange(&mut connection, &mut peer).await;
        drop(peer);
        let written = connection.write(&[]).await.expect("nothing needs no peer");
        assert_eq!(written, 0, "an empty write makes no system call, so it sees no broken pipe");
    });
}

async fn oracle_byte(connection: &mut impl Connection, expected: u8) {
    let mut byte = [0];
    connection.read_exact(&mut byte).await.expect("the byte is there");
    assert_eq!(byte, [expected], "an empty read takes nothing");
}

fn full_buffer_waits<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, peer| {
        let mut sent = Pattern::new(98);
        flow::fill(&mut connection, &mut sent, 16 * 1024).await;
        let filled = sent.position();
        assert!(filled > 0, "an empty buffer takes bytes");
        let rest = sent.take(MIB);
        let (start, started) = mpsc::channel();
        let reader = beside(move || {
            started.recv().expect("the case goes on");
            flow::receive_to_end(&peer, 98).expect("the stream is whole")
        });
        {
            let mut writing = pin!(connection.write_all(&rest));
            if F::capabilities().contains(Capabilities::CONCURRENT) {
                let early = poll_once(&mut writing).await;
                assert!(early.is_none(), "nobody reads, so a full buffer makes a write wait");
            }
            start.send(()).expect("the reader waits");
            writing.await.expect("the write goes on when the peer reads");
        }
        drop(connection);
        assert_eq!(reader.await, filled + MIB as u64, "the peer reads everything");
    });
}

fn writes_without_the_writable_hint<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, peer| {
        let mut sent = Pattern::new(99);
        while is_said_to_be_writable(&connection) {
            let written = connection.write(&sent.peek(4096)).await.expect("there is room");
            sent.advance(written);
        }
        // Lets a driver see whatever there is to see.
        for _ in 0..3 {
            yield_now().await;
        }
        // poll(2) denies it while over a quarter of the buffer is queued, but there is room.
        let byte = sent.take(1);
        let written = poll_once(connection.write(&byte)).await;
        let written = written.expect("a write is tried first, and waits only after EAGAIN");
        assert_eq!(written.expect("there is room"), 1);
        drop(connection);
        let received = beside(move || flow::receive_to_end(&peer, 99)).await;
        assert_eq!(received.expect("the stream is whole"), sent.position());
    });
}

fn is_said_to_be_writable(connection: &impl AsFd) -> bool {
    let mut waited = [PollFd::new(connection.as_fd(), PollFlags::POLLOUT)];
    poll(&mut waited, PollTimeout::ZERO).expect("poll works") == 1
}

fn vectored<F: Fixture>(cx: &mut Context<F>) {
    // IOV_MAX is 1,024: the slices need three system calls and more.
    const SLICES: usize = 3000;
    on_both_sides(cx, async |mut connection, peer| {
        let mut sent = Pattern::new(100);
        let owned: Vec<Vec<u8>> = (0..SLICES)
            .map(|number| sent.take(if number % 3 == 0 { 0 } else { number % 61 }))
            .collect();
        let reader = beside(move || flow::receive_to_end(&peer, 100));
        let mut slices: Vec<_> = owned.iter().map(|slice| IoSlice::new(slice)).collect();
        let mut rest = &mut slices[..];
        while rest.iter().any(|slice| !slice.is_empty()) {
            let written =
                connection.write_vectored(rest).await.expect("any number of slices works");
            assert!(written > 0, "a vectored write with bytes in it makes progress");
            IoSlice::advance_slices(&mut rest, written);
        }
        drop(connection);
        let received = reader.await.expect("slices keep their order");
        assert_eq!(received, sent.position(), "every slice arrives");
    });
}

fn queued_byte_count<F: Fixture>(cx: &mut Context<F>) {
    const EXACT: &str = "the bytes in the kernel and those that the handle holds count, exactly";
    on_both_sides(cx, async |mut connection, peer| {
        assert_eq!(connection.queued().expect("the queue can be asked"), 0);
        let mut sent = Pattern::new(106);
        for length in [1, 10, 4096, 30_000, 70_000] {
            flow::send(&peer, &mut sent, length).expect("there is room");
        }
        let mut expected = Pattern::new(106);
        let all = sent.position();
        assert_eq!(queued(&connection), all, "the whole queue counts, not its first message");
        let mut buf = [0; 1000];
        let count = connection.read(&mut buf).await.expect("bytes are there");
        expected.check(&buf[..count]);
        assert_eq!(queued(&connection), all - expected.position());
        // The owned path may hold bytes that have left the kernel.
        let chunk = connection.recv().await.expect("bytes are there");
        expected.check(&chunk);
        let rest = all - expected.position();
        turns_until(EXACT, || queued(&connection) == rest).await;
        let count = connection.read(&mut buf).await.expect("bytes are there");
        expected.check(&buf[..count]);
        let rest = all - expected.position();
        turns_until(EXACT, || queued(&connection) == rest).await;
        drop(peer);
        while expected.position() < all {
            let count = connection.read(&mut buf).await.expect("bytes are there");
            expected.check(&buf[..count]);
        }
        assert_eq!(queued(&connection), 0, "the end of the stream counts nothing");
    });
}

fn queued(connection: &impl PollRead) -> u64 {
    connection.queued().expect("the queue can be asked") as u64
}

fn out_of_band_byte_ignored<F: Fixture>(cx: &mut Context<F>) {
    on_both_sides(cx, async |mut connection, peer| {
        for round in 0..3 {
            (&peer).write_all(b"ab").expect("connected");
            let urgent = SockRef::from(&peer).send_out_of_band(b"!");
            match urgent.map_err(|error| error.raw_os_error()) {
                Ok(sent) => assert_eq!(sent, 1),
                // Kernels before 5.15, or without CONFIG_AF_UNIX_OOB: there is nothing to ignore.
                Err(errno) => assert_eq!(errno, Some(libc::EOPNOTSUPP)),
            }
            (&peer).write_all(b"cd").expect("connected");
            let mut received = Vec::new();
            while received.len() < 4 {
                if round == 1 {
                    received.extend_from_slice(&connection.recv().await.expect("bytes follow"));
                    continue;
                }
                let mut buf = [0; 16];
                let count = connection.read(&mut buf).await.expect("bytes follow");
                assert!(count > 0, "an out-of-band byte does not look like the end of the stream");
                received.extend_from_slice(&buf[..count]);
            }
            assert_eq!(received, b"abcd", "the out-of-band byte is no part of the stream");
        }
    });
}

fn send_buffer_size<F: Fixture>(cx: &mut Context<F>) {
    const SMALL: usize = 16 * 1024;
    on_both_sides(cx, async |mut small, _peer| {
        small.set_send_buffer(SMALL).expect("a small buffer is allowed");
        let size = small.send_buffer().expect("the size can be asked");
        assert_eq!(size, 2 * SMALL, "the kernel doubles what was asked for");
        let mut sent = Pattern::new(1);
        flow::fill(&mut small, &mut sent, 1024).await;
        let queued = sent.position();
        assert!(
            queued <= 2 * SMALL as u64,
            "a small buffer bounds what waits to be read: {queued}"
        );
    });
    on_both_sides(cx, async |mut large, _peer| {
        large.set_send_buffer(8 * SMALL).expect("a larger buffer is allowed");
        let mut sent = Pattern::new(2);
        flow::fill(&mut large, &mut sent, 1024).await;
        let queued = sent.position();
        assert!(queued > 4 * SMALL as u64, "a large buffer has room for more: {queued}");
    });
}

fn thousand_short_connections<F: Fixture>(cx: &mut Context<F>) {
    const COUNT: u32 = 1000;
    let (ours, theirs) = (cx.address("ours"), cx.address("theirs"));
    cx.run(async |transport| {
        let mut listener =
            transport.listen(&ours, &ListenOptions::new()).expect("the path is free");
        let server = oracle::listen(&theirs);
        let before = Census::take();
        let to = ours.clone();
        let clients = beside(move || {
            for number in 0..COUNT {
                let mut client = oracle::connect(&to).expect("the server listens");
                client.write_all(&number.to_ne_bytes()).expect("connected");
                let mut echo = [0; 4];
                client.read_exact(&mut echo).expect("the server answers");
                assert_eq!(echo, number.to_ne_bytes(), "each client talks to its own connection");
            }
        });
        for _ in 0..COUNT {
            let (mut connection, _) = listener.accept().await.expect("clients come");
            let mut number = [0; 4];
            connection.read_exact(&mut number).await.expect("the client speaks");
            connection.write_all(&number).await.expect("the client listens");
        }
        clients.await;
        let servers = beside(move || {
            for _ in 0..COUNT {
                let (mut client, _) = server.accept().expect("clients come");
                let mut number = [0; 4];
                client.read_exact(&mut number).expect("the client speaks");
                client.write_all(&number).expect("the client listens");
            }
            server
        });
        let options = ConnectOptions::new();
        for number in 0..COUNT {
            let mut connection =
                transport.connect(&theirs, &options).await.expect("the server listens");
            connection.write_all(&number.to_ne_bytes()).await.expect("connected");
            let mut echo = [0; 4];
            connection.read_exact(&mut echo).await.expect("the server answers");
            assert_eq!(echo, number.to_ne_bytes(), "each connection has its own peer");
        }
        let server = servers.await;
        no_more_descriptors_than(&before).await;
        drop(server);
    });
}
