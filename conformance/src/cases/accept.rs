//! Accepting, waiting to accept, and the end of it: cases 66 to 78 (rules L1 to L5).

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use futures_lite::future::{or, poll_once};
use transport_core::{
    Cleanup, ConnectOptions, ListenOptions, Listener, PollRead, Transport, is_closed,
};

use crate::case::{Case, cases};
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture, ListenerOf};
use crate::host;
use crate::oracle::{self, Sleeper};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        66 blocked_accept_woken_by_close,
        67 many_blocked_accepts_woken needs SHARED_LISTENERS,
        68 readiness_consumes_nothing,
        69 not_ready_after_the_only_accept needs CONCURRENT,
        70 readiness_on_close,
        71 loser_of_a_race_keeps_waiting needs CONCURRENT | SHARED_LISTENERS,
        72 first_in_first_out,
        73 data_before_accept_is_kept,
        74 client_gone_before_accept,
        75 cancelled_accept_loses_nothing needs CONCURRENT,
        76 drain_delivers_then_closes needs ALONE,
        77 connect_during_drain_refused,
        78 queued_client_at_close,
    ]
}

fn blocked_accept_woken_by_close<F: Fixture>(cx: &mut Context<F>) {
    cx.run(async |transport| {
        let listening = transport.listen(&cx.address("s"), &ListenOptions::new());
        let mut listener = listening.expect("it is free");
        let closing = oracle::close_when_asleep(listener.closer());
        let error = listener.accept().await.err().expect("nobody connects");
        assert!(is_closed(&error), "{error}");
        closing.finish();
    });
}

const WAITERS: usize = 4;

/// Handles in tasks of one runtime, and handles in threads with runtimes of their own.
fn many_blocked_accepts_woken<F: Fixture>(cx: &mut Context<F>) {
    let mut runtime = cx.runtime();
    let transport = runtime.transport().clone();
    let listening = transport.listen(&cx.address("s"), &ListenOptions::new());
    let listener = listening.expect("it is free");
    let share = || transport.share_listener(&listener).expect("it is open");
    let (asleep, sleepers) = std::sync::mpsc::channel();
    let threads: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (foreign, asleep) = (share(), asleep.clone());
            oracle::peer(move || {
                let cx = Context::<F>::new();
                cx.run(async |transport| {
                    let own = transport.share_listener(&foreign).expect("it is open");
                    drop(foreign);
                    asleep.send(Sleeper::this_thread()).expect("the case counts the sleepers");
                    ends_closed(own).await;
                });
            })
        })
        .collect();
    for _ in 0..WAITERS {
        sleepers.recv().expect("each thread says when it waits").wait_until_asleep();
    }
    if F::capabilities().contains(Capabilities::CONCURRENT) {
        let tasks: Vec<_> = (0..WAITERS).map(|_| runtime.spawn(ends_closed(share()))).collect();
        let closing = oracle::close_when_asleep(listener.closer());
        runtime.block_on(async {
            for task in tasks {
                task.await;
            }
        });
        closing.finish();
    } else {
        listener.closer().close();
    }
    threads.into_iter().for_each(oracle::Peer::finish);
}

async fn ends_closed<L: Listener>(mut listener: L) {
    let error = listener.accept().await.err().expect("nobody connects");
    assert!(is_closed(&error), "{error}");
}

fn readiness_consumes_nothing<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let mut client = oracle::connect(&address).expect("it listens");
        for _ in 0..3 {
            listener.acceptable().await.expect("a client waits, and still waits");
        }
        let (mut server, _) = listener.accept().await.expect("the client was not consumed");
        oracle::exchange(&mut server, &mut client).await;
    });
}

fn not_ready_after_the_only_accept<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let mut runtime = cx.runtime();
    let (transport, handle) = (runtime.transport().clone(), runtime.handle());
    runtime.block_on(async {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        for _ in 0..3 {
            let short = Duration::from_millis(10);
            assert!(handle.timeout(short, listener.acceptable()).await.is_err(), "nobody waits");
            let _client = oracle::connect(&address).expect("it listens");
            listener.acceptable().await.expect("a client waits");
            listener.accept().await.expect("a client waits");
            assert!(poll_once(listener.acceptable()).await.is_none(), "nobody waits any more");
            assert!(poll_once(listener.accept()).await.is_none(), "nor is there anyone to accept");
        }
    });
}

fn readiness_on_close<F: Fixture>(cx: &mut Context<F>) {
    cx.run(async |transport| {
        let listening = transport.listen(&cx.address("s"), &ListenOptions::new());
        let mut listener = listening.expect("it is free");
        let closing = oracle::close_when_asleep(listener.closer());
        for _ in 0..2 {
            listener.acceptable().await.expect("a closed listener is ready, and stays ready");
        }
        let error = listener.accept().await.err().expect("what it is ready for is the end");
        assert!(is_closed(&error), "{error}");
        closing.finish();
    });
}

/// Two handles wait for one client: the one that does not get it is not disturbed, and gets the
/// next one.
fn loser_of_a_race_keeps_waiting<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let mut runtime = cx.runtime();
    let (transport, handle) = (runtime.transport().clone(), runtime.handle());
    runtime.block_on(async {
        let one = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let other = transport.share_listener(&one).expect("it is open");
        let [mut first, mut second] = [one, other].map(|mut listener: ListenerOf<F>| {
            handle.spawn(async move { listener.accept().await.map(|_| listener) })
        });
        handle.sleep(Duration::from_millis(5)).await;
        let _client = oracle::connect(&address).expect("it listens");
        let won = "one of them gets the client";
        let first_won = or(async { (&mut first).await.map(|_listener| true) }, async {
            (&mut second).await.map(|_listener| false)
        });
        let mut loser = if first_won.await.expect(won) { second } else { first };
        let short = handle.timeout(Duration::from_millis(20), &mut loser).await;
        assert!(short.is_err(), "the other one got no answer, it still waits");
        let _client = oracle::connect(&address).expect("it listens");
        loser.await.expect("the next client is for the one that waits");
    });
}

fn first_in_first_out<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let clients: Vec<_> = (0..30u8)
            .map(|number| {
                let mut client = oracle::connect(&address).expect("it listens");
                client.write_all(&[number]).expect("it is connected");
                client
            })
            .collect();
        for number in 0..30 {
            let (mut server, _) = listener.accept().await.expect("a client waits");
            let mut received = [0];
            server.read_exact(&mut received).await.expect("the number was sent");
            assert_eq!(received, [number], "clients come in their order, each once");
        }
        drop(clients);
    });
}

fn data_before_accept_is_kept<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let mut client = oracle::connect(&address).expect("it listens");
        let early: Vec<u8> = (0..=255).cycle().take(50_000).collect();
        client.write_all(&early).expect("the buffer has room for that much");
        let (mut server, _) = listener.accept().await.expect("a client waits");
        let mut received = vec![0; early.len()];
        server.read_exact(&mut received).await.expect("all of it was sent");
        assert!(received == early, "data that was sent before the accept arrives as it was");
        oracle::exchange(&mut server, &mut client).await;
    });
}

fn client_gone_before_accept<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        for data in [&b"last words"[..], b""] {
            let mut client = oracle::connect(&address).expect("it listens");
            client.write_all(data).expect("it is connected");
            drop(client);
            let (mut server, _) = listener.accept().await.expect("it is delivered all the same");
            let mut received = vec![0; data.len()];
            server.read_exact(&mut received).await.expect("its data is delivered");
            assert_eq!(received, data);
            assert_eq!(server.read(&mut [0; 1]).await.expect("then its end"), 0);
        }
    });
}

fn cancelled_accept_loses_nothing<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let mut runtime = cx.runtime();
    let (transport, handle) = (runtime.transport().clone(), runtime.handle());
    runtime.block_on(async {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        for round in 0..100u32 {
            assert!(poll_once(listener.accept()).await.is_none(), "nobody waits");
            let mut client = oracle::connect(&address).expect("it listens");
            // The client arrives while no accept waits: the driver may or may not turn meanwhile.
            if round % 2 == 0 {
                handle.sleep(Duration::from_millis(1)).await;
            }
            client.write_all(&round.to_ne_bytes()).expect("it is connected");
            let (mut server, _) = listener.accept().await.expect("the client was not lost");
            let mut received = [0; 4];
            server.read_exact(&mut received).await.expect("it sent its number");
            assert_eq!(u32::from_ne_bytes(received), round, "and is the one that came");
        }
        assert!(poll_once(listener.accept()).await.is_none(), "nobody waits");
        let mut last = oracle::connect(&address).expect("it listens");
        handle.sleep(Duration::from_millis(1)).await;
        drop(listener);
        // It was still in the queue, and not taken by an accept that nobody waits for.
        oracle::beside(move || assert_is_reset(&mut last)).await;
    });
}

fn drain_delivers_then_closes<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    let mut runtime = cx.runtime();
    let (transport, handle) = (runtime.transport().clone(), runtime.handle());
    runtime.block_on(async {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let mut clients = [0; 3].map(|_| oracle::connect(&address).expect("it listens"));
        listener.acceptable().await.expect("clients wait");
        let closer = listener.closer();
        closer.drain();
        closer.drain();
        let before = host::processor_time();
        handle.sleep(Duration::from_millis(300)).await;
        let used = host::processor_time() - before;
        assert!(
            used < Duration::from_millis(100),
            "a draining listener is idle, but used {used:?}"
        );
        for client in &mut clients {
            let (mut server, _) = listener.accept().await.expect("those who waited are delivered");
            oracle::exchange(&mut server, client).await;
        }
        for _ in 0..2 {
            let error = listener.accept().await.err().expect("nobody is left");
            assert!(is_closed(&error), "{error}");
        }
        assert!(closer.is_closed(), "a drain ends in a close");
    });
}

fn connect_during_drain_refused<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    cx.run(async |transport| {
        let mut listener = transport.listen(&address, &ListenOptions::new()).expect("it is free");
        let _queued = oracle::connect(&address).expect("it listens");
        listener.closer().drain();
        let refused = oracle::connect(&address).err().map(|error| error.kind());
        assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
        let refused = transport.connect(&address, &ConnectOptions::new()).await;
        assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::ConnectionRefused));
        listener.accept().await.expect("the one who waited is delivered");
        assert!(is_closed(&listener.accept().await.err().expect("nobody came after it")));
    });
}

/// A listener that waited for clients may be known to the driver, which then turns once more
/// before the socket is closed; so the client looks from a thread of its own.
fn queued_client_at_close<F: Fixture>(cx: &mut Context<F>) {
    let address = cx.address("s");
    for by_drop in [false, true] {
        cx.run(async |transport| {
            let options = ListenOptions::new().cleanup(Cleanup::Remove);
            let mut listener = transport.listen(&address, &options).expect("it is free");
            if F::capabilities().contains(Capabilities::CONCURRENT) {
                assert!(poll_once(listener.accept()).await.is_none(), "nobody waits");
            }
            let mut client = oracle::connect(&address).expect("it listens");
            let closer = listener.closer();
            let kept = if by_drop { None } else { Some(listener) };
            closer.close();
            oracle::beside(move || assert_is_reset(&mut client)).await;
            drop(kept);
        });
    }
}

/// Reset once, then the end for ever; nothing can be written.
fn assert_is_reset(client: &mut std::os::unix::net::UnixStream) {
    let reset = client.read(&mut [0; 1]).err().map(|error| error.kind());
    assert_eq!(reset, Some(ErrorKind::ConnectionReset), "a waiting client is reset");
    assert_eq!(client.read(&mut [0; 1]).expect("once only"), 0);
    let broken = client.write(b"x").err().map(|error| error.kind());
    assert_eq!(broken, Some(ErrorKind::BrokenPipe));
}
