//! Connections and halves as the `AsyncRead` and `AsyncWrite` of `futures-io`.

use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;

use futures_util::io::copy;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use unix_transport::{Backend, Connection, Io};

use crate::support::{MUCH, is_pending, on_both, pair, pattern};

on_each_backend!(
    halves_echo,
    slices_are_one_write,
    closing_leaves_the_other_direction,
    a_dropped_read_loses_no_byte,
);

fn halves_echo<B: Backend>() {
    on_both::<B>(async |transport| {
        let (one, other) = pair(&transport);
        let (reading, writing) = one.into_inner().split();
        let (mut reading, mut writing) = (Io::new(reading), Io::new(writing));
        // Those of futures-util work, too.
        let (other_reading, mut other_writing) = other.split();
        let (sent, mut received) = (pattern(MUCH), Vec::new());
        let write = async {
            writing.write_all(&sent).await.expect("it is echoed");
            writing.flush().await.expect("nothing is buffered");
            writing.close().await.expect("connected");
        };
        let echo = async {
            let echoed = copy(other_reading, &mut other_writing).await;
            other_writing.close().await.expect("connected");
            echoed.expect("it ends")
        };
        let (_, echoed, read) = tokio::join!(write, echo, reading.read_to_end(&mut received));
        assert_eq!((echoed, read.expect("it ends")), (MUCH as u64, MUCH));
        assert!(received == sent, "other bytes than were sent");
    });
}

fn slices_are_one_write<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        let slices = [b"ab".as_slice(), b"", b"cde"].map(IoSlice::new);
        assert_eq!(one.write_vectored(&slices).await.expect("connected"), 5);
        let (_reading, writing) = one.into_inner().split();
        assert_eq!(Io::new(writing).write_vectored(&slices).await.expect("connected"), 5);
        let mut received = [0; 10];
        other.read_exact(&mut received).await.expect("all of it was written");
        assert_eq!(received, *b"abcdeabcde");
    });
}

fn closing_leaves_the_other_direction<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        one.write_all(b"question").await.expect("connected");
        one.close().await.expect("connected");
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

fn a_dropped_read_loses_no_byte<B: Backend>() {
    on_both::<B>(async |transport| {
        let (mut one, mut other) = pair(&transport);
        let sent = pattern(256);
        for byte in &sent {
            let mut buf = [0; 8];
            let mut read = other.read(&mut buf);
            assert!(is_pending(Pin::new(&mut read)).await, "everything before was read");
            one.write_all(&[*byte]).await.expect("connected");
            let mut received = [0];
            other.read_exact(&mut received).await.expect("the byte is there");
            assert_eq!(received, [*byte]);
        }
    });
}
