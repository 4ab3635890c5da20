//! A driver in another loop: case 152.
//!
//! The loop is an epoll that knows nothing but the driver's descriptor, as in programs that have a
//! loop already. The driver has its real set-up, and whatever happens while the loop sleeps must
//! wake it.

use std::future::Future;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use transport_core::{Chunk, Driver, PollWrite, Prepared};

use crate::case::{Case, cases};
use crate::cases::driver::{LOST, Wakes, drive};
use crate::cases::flow;
use crate::cases::meeting::Side;
use crate::context::Context;
use crate::fixture::{Capabilities, ConnectionOf, DriverOf, Fixture};
use crate::oracle::{self, Sleeper};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F; 152 nested_in_another_loop needs DRIVEN | CONCURRENT]
}

fn nested_in_another_loop<F: Fixture>(cx: &mut Context<F>) {
    let (transport, mut driver) = cx.open();
    if !F::capabilities().contains(Capabilities::NESTED) {
        assert!(
            driver.wait_fd().is_none(),
            "a driver that can't be nested has no descriptor to offer"
        );
        return;
    }
    let (mut one, peer_of_one) = drive(&mut driver, Side::Server.meet(cx, &transport));
    let (mut other, peer_of_other) = drive(&mut driver, Side::Client.meet(cx, &transport));
    let mut host = Host::<F>::new(driver);
    for round in 0..16 {
        host.while_asleep_writes(&mut one, &peer_of_one, round % 2 == 0);
        host.while_asleep_writes(&mut other, &peer_of_other, round % 4 < 2);
        let chunk = &mut Chunk::from(&b"owned"[..]);
        let sent = host.run(async {
            one.send(chunk).await?;
            one.flush().await
        });
        sent.expect("a nested driver sends");
        let mut received = [0; 5];
        (&peer_of_one).read_exact(&mut received).expect("flushed is sent");
        assert_eq!(&received, b"owned");
        host.assert_quiet();
    }
    host.timer_fires();
    host.is_unparked();
}

/// A program with a loop of its own, which sleeps in an epoll that knows only the driver's
/// descriptor.
struct Host<F: Fixture> {
    driver: DriverOf<F>,
    outer: Epoll,
}

impl<F: Fixture> Host<F> {
    fn new(driver: DriverOf<F>) -> Host<F> {
        let outer = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
        let inner = driver.wait_fd().expect("the driver can be nested");
        // Level-triggered, as most loops are.
        outer.add(inner, EpollEvent::new(EpollFlags::EPOLLIN, 0)).expect("it can be watched");
        Host { driver, outer }
    }

    /// Prepare, sleep, dispatch: until the future is ready.
    fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let (wakes, waker) = Wakes::new();
        let mut future = pin!(future);
        let mut turns = 0;
        loop {
            let seen = wakes.count();
            if let Poll::Ready(output) = future.as_mut().poll(&mut TaskContext::from_waker(&waker))
            {
                return output;
            }
            while wakes.count() == seen {
                self.turn();
                turns += 1;
                assert!(
                    turns < 1000,
                    "a descriptor that is readable without work makes hosts spin"
                );
            }
        }
    }

    fn turn(&mut self) {
        match self.driver.prepare().expect("the driver prepares") {
            Prepared::Ready => {}
            Prepared::SleepUntil(until) => {
                let woken =
                    self.sleep(until.map(|until| until.saturating_duration_since(Instant::now())));
                assert!(woken || until.is_some(), "the descriptor wakes a host that sleeps on it");
            }
        }
        self.driver.dispatch().expect("the driver dispatches");
    }

    fn sleep(&self, limit: Option<Duration>) -> bool {
        let limit = limit.unwrap_or(LOST).as_nanos().div_ceil(1_000_000);
        let limit = EpollTimeout::try_from(limit).expect("a short time");
        let mut events = [EpollEvent::empty()];
        loop {
            match self.outer.wait(&mut events, limit) {
                Err(nix::Error::EINTR) => {}
                woken => return woken.expect("epoll waits") == 1,
            }
        }
    }

    /// A peer writes from another thread, once this one sleeps in the outer epoll.
    fn while_asleep_writes(
        &mut self,
        connection: &mut ConnectionOf<F>,
        peer: &UnixStream,
        owned: bool,
    ) {
        let mut peer = peer.try_clone().expect("it can be duplicated");
        let sleeper = Sleeper::this_thread();
        let writing = oracle::peer(move || {
            sleeper.wait_until_asleep();
            peer.write_all(b"nested").expect("connected");
        });
        let received = self.run(flow::read_or_recv(connection, owned));
        assert_eq!(received.expect("the stream is open"), b"nested");
        writing.finish();
    }

    /// With nothing to do, the descriptor is not readable.
    fn assert_quiet(&mut self) {
        for _ in 0..20 {
            if let Prepared::SleepUntil(_) = self.driver.prepare().expect("the driver prepares")
                && !self.sleep(Some(Duration::ZERO))
            {
                return;
            }
            self.driver.dispatch().expect("the driver dispatches");
        }
        panic!("a descriptor that stays readable without work makes level-triggered hosts spin");
    }

    fn timer_fires(&mut self) {
        let start = Instant::now();
        let limit = Duration::from_millis(30);
        let sleep = self.driver.timers().sleep(start + limit);
        self.run(sleep);
        assert!(start.elapsed() >= limit, "a timer never fires early");
    }

    /// Another thread ends the sleep of a host that waits for nothing else.
    fn is_unparked(&mut self) {
        let unparker = self.driver.unparker();
        let sleeper = Sleeper::this_thread();
        let unparking = oracle::peer(move || {
            sleeper.wait_until_asleep();
            unparker.unpark();
        });
        let prepared = self.driver.prepare().expect("the driver prepares");
        assert_eq!(prepared, Prepared::SleepUntil(None), "there is no work and no timer");
        assert!(self.sleep(None), "an unparker makes the descriptor readable");
        self.driver.dispatch().expect("the driver dispatches");
        unparking.finish();
        self.assert_quiet();
    }
}
