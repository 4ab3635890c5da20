//! Connections and halves as tokio's `AsyncRead` and `AsyncWrite`.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy, copy_bidirectional,
};
use unix_transport::{Backend, Connection, Io, is_closed};

use crate::support::{MUCH, is_pending, on_both, pair, pattern};

on_each_backend!(
    reads_what_was_written,
    appends_to_what_is_there,
    slices_are_one_write,
    a_shutdown_leaves_the_other_direction,
    halves_echo,
    a_dropped_read_loses_no_byte,
    relays_both_ways,
    errors_are_those_of_the_connection,
);

fn reads_what_was_written<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        let (sent, mut received) = (pattern(MUCH), Vec::new());
        let write = async {
            one.write_all(&sent).await.expect("it is read");
            one.flush().await.expect("nothing is buffered");
            one.shutdown().await.expect("connected");
            one.shutdown().await.expect("twice is no error");
        };
        let (_, read) = tokio::join!(write, other.read_to_end(&mut received));
        assert_eq!(read.expect("it ends"), MUCH);
        assert!(received == sent, "other bytes than were sent");
    });
}

fn appends_to_what_is_there<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        one.write_all(b"defgh").await.expect("connected");
        let mut memory = [MaybeUninit::uninit(); 6];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_slice(b"abc");
        for _ in 0..2 {
            // The second finds no room, and takes nothing.
            let read = poll_fn(|cx| Pin::new(&mut other).poll_read(cx, &mut buf));
            read.await.expect("connected");
            assert_eq!((buf.filled(), buf.initialized()), (&b"abcdef"[..], &b"abcdef"[..]));
        }
        let mut rest = [0; 2];
        other.read_exact(&mut rest).await.expect("connected");
        assert_eq!(rest, *b"gh");
    });
}

fn slices_are_one_write<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        let slices = [b"ab".as_slice(), b"", b"cde"].map(IoSlice::new);
        assert!(one.is_write_vectored());
        assert_eq!(one.write_vectored(&slices).await.expect("connected"), 5);
        let (_reading, writing) = one.into_inner().split();
        let mut writing = Io::new(writing);
        assert!(writing.is_write_vectored());
        assert_eq!(writing.write_vectored(&slices).await.expect("connected"), 5);
        let mut received = [0; 10];
        other.read_exact(&mut received).await.expect("all of it was written");
        assert_eq!(received, *b"abcdeabcde");
    });
}

fn a_shutdown_leaves_the_other_direction<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        one.write_all(b"question").await.expect("connected");
        one.shutdown().await.expect("connected");
        let mut question = String::new();
        other.read_to_string(&mut question).await.expect("it ends");
        assert_eq!(question, "question");
        other.write_all(b"answer").await.expect("this direction is open");
        let mut answer = [0; 6];
        one.read_exact(&mut answer).await.expect("this direction is open");
        assert_eq!(answer, *b"answer");
        let error = one.write_all(b"more").await.expect_err("this one is not");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

fn halves_echo<B: Backend>() {
    on_both::<B>(async |transport| {
        let (one, other) = pair(&transport);
        let (reading, writing) = one.into_inner().split();
        let (mut reading, mut writing) = (Io::new(reading), Io::new(writing));
        let (other_reading, other_writing) = other.into_inner().split();
        let (mut other_reading, mut other_writing) =
            (Io::new(other_reading), Io::new(other_writing));
        let (sent, mut received) = (pattern(MUCH), Vec::new());
        let write = async {
            writing.write_all(&sent).await.expect("it is echoed");
            // Dropping a half closes its direction.
            drop(writing);
        };
        let echo = async {
            let echoed = copy(&mut other_reading, &mut other_writing).await;
            other_writing.shutdown().await.expect("connected");
            echoed.expect("it ends")
        };
        let (_, echoed, read) = tokio::join!(write, echo, reading.read_to_end(&mut received));
        assert_eq!((echoed, read.expect("it ends")), (MUCH as u64, MUCH));
        assert!(received == sent, "other bytes than were sent");
    });
}

fn a_dropped_read_loses_no_byte<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        let (sent, mut received) = (pattern(1_000), Vec::new());
        for (turn, byte) in sent.iter().enumerate() {
            let mut buf = [0; 8];
            let mut read = Box::pin(other.read(&mut buf));
            assert!(is_pending(read.as_mut()).await, "everything before was read");
            one.write_all(&[*byte]).await.expect("connected");
            if turn % 2 == 0 {
                // The event may come while the read still waits for it.
                tokio::task::yield_now().await;
            }
            drop(read);
            received.push(other.read_u8().await.expect("the byte is there"));
        }
        assert!(received == sent, "other bytes than were sent");
    });
}

fn relays_both_ways<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut client, mut near) = pair(&transport);
        let (mut far, mut server) = pair(&transport);
        let (question, answer) = (pattern(MUCH), pattern(MUCH / 2));
        let relay = async {
            let relayed = copy_bidirectional(&mut near, &mut far).await.expect("both ways end");
            assert_eq!(relayed, (question.len() as u64, answer.len() as u64));
        };
        let ask = async {
            client.write_all(&question).await.expect("it is relayed");
            client.shutdown().await.expect("connected");
            let mut answered = Vec::new();
            client.read_to_end(&mut answered).await.expect("it ends");
            assert!(answered == answer, "other bytes than were answered");
        };
        let reply = async {
            let mut asked = Vec::new();
            server.read_to_end(&mut asked).await.expect("the half-close is relayed");
            assert!(asked == question, "other bytes than were asked");
            server.write_all(&answer).await.expect("this direction is open");
            server.shutdown().await.expect("connected");
        };
        tokio::join!(relay, ask, reply);
    });
}

fn errors_are_those_of_the_connection<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        other.write_all(b"unread").await.expect("connected");
        one.write_all(b"unread").await.expect("connected");
        drop(other);
        let mut buf = [0; 6];
        one.read_exact(&mut buf).await.expect("it was sent before the end");
        let error = one.read(&mut buf).await.expect_err("the peer left data unread");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(one.read(&mut buf).await.expect("once is enough"), 0);
        let error = one.write(b"more").await.expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);

        let (mut one, _other) = pair(&transport);
        let closer = one.get_ref().closer();
        let mut read = pin!(one.read(&mut buf));
        assert!(is_pending(read.as_mut()).await);
        closer.close();
        assert!(is_closed(&read.await.expect_err("it was closed")));
    });
}
