//! A listener's connections as a stream.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::stream::FusedStream;
use futures_util::{AsyncReadExt, StreamExt};
use unix_transport::adapters::incoming::Incoming;
use unix_transport::{Address, Backend, ListenOptions, Listener, Transport, is_transient};

use crate::support::{address, every_descriptor, in_child, is_pending, on_both, on_runtime};

on_each_backend!(
    yields_in_order_until_it_is_closed,
    a_drain_yields_what_is_queued,
    the_listener_comes_back,
    an_error_that_lasts_ends_it,
    a_want_of_descriptors_does_not,
);

/// A client that has said which one it is.
fn client(at: &Address, number: u8) -> UnixStream {
    let mut client = UnixStream::connect(at.as_path().expect("a path")).expect("it listens");
    client.write_all(&[number]).expect("connected");
    client
}

/// Which client the next connection is from.
async fn next<L: Listener>(incoming: &mut Incoming<L>) -> Option<u8> {
    let mut connection = incoming.next().await?.expect("nothing fails");
    let mut number = [0];
    connection.read_exact(&mut number).await.expect("it was said");
    Some(number[0])
}

fn yields_in_order_until_it_is_closed<B: Backend>() {
    on_both::<B>(async |transport| {
        let (at, _directory) = address();
        let listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
        let closer = listener.closer();
        let mut incoming = Incoming::new(listener);
        assert_eq!(incoming.get_ref().local_address(), &at);
        for round in 0..10 {
            (0..20).for_each(|number| drop(client(&at, round * 20 + number)));
            for number in 0..20 {
                assert_eq!(next(&mut incoming).await, Some(round * 20 + number));
            }
        }
        assert!(!incoming.is_terminated());
        let mut end = Box::pin(next(&mut incoming));
        assert!(is_pending(end.as_mut()).await);
        closer.close();
        assert_eq!(end.await, None);
        assert!(incoming.is_terminated());
        assert_eq!(next(&mut incoming).await, None);
    });
}

fn a_drain_yields_what_is_queued<B: Backend>() {
    on_both::<B>(async |transport| {
        let (at, _directory) = address();
        let listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
        (0..3).for_each(|number| drop(client(&at, number)));
        listener.closer().drain();
        let mut incoming = Incoming::new(listener);
        for number in 0..3 {
            assert_eq!(next(&mut incoming).await, Some(number));
        }
        assert_eq!(next(&mut incoming).await, None);
    });
}

fn the_listener_comes_back<B: Backend>() {
    on_both::<B>(async |transport| {
        let (at, _directory) = address();
        let listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
        let mut incoming = Incoming::new(listener);
        assert!(is_pending(pin!(next(&mut incoming))).await);
        drop(client(&at, 7));
        let mut listener = incoming.into_inner();
        listener.accept().await.expect("the stream took nothing");
    });
}

fn an_error_that_lasts_ends_it<B: Backend>() {
    on_both::<B>(async |transport| {
        let (at, _directory) = address();
        let mut listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
        listener.set_accept_deadline(Some(Instant::now()));
        let mut incoming = Incoming::new(listener);
        let error = incoming.next().await.expect("not yet the end").err().expect("it is late");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(incoming.is_terminated());
        assert!(incoming.next().await.is_none(), "whoever ignores errors does not spin");
    });
}

fn a_want_of_descriptors_does_not<B: Backend>() {
    in_child(&format!("incoming::{}::a_want_of_descriptors_does_not", B::NAME), || {
        on_runtime::<B>(async |transport, handle| {
            let (at, _directory) = address();
            let listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
            let mut incoming = Incoming::new(listener);
            let mut taken = every_descriptor();
            // Room for the client, which then waits.
            taken.pop();
            let _client = client(&at, 7);
            let mut errors = 0;
            let until_served = async {
                while let Err(error) = incoming.next().await.expect("it goes on") {
                    assert!(is_transient(&error), "{error}");
                    errors += 1;
                    // The pauses are 5, 10, 20 … ms.
                    assert!(errors < 10, "it spins");
                }
            };
            let time = Duration::from_millis(300);
            handle.timeout(time, until_served).await.expect_err("there is no descriptor");
            assert!(errors > 0, "it was tried");
            drop(taken);
            assert_eq!(next(&mut incoming).await, Some(7));
        });
    });
}
