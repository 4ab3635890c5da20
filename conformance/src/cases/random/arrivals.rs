//! Accepts and connects, dropped at random; every client says its number, and each is served once.

use std::collections::{BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::pin;
use std::time::Duration;

use fastrand::Rng;
use futures_lite::future::{poll_once, yield_now};
use transport_core::{
    Address, ConnectOptions, Connection, ListenOptions, Listener, PollWrite, Transport,
};

use crate::cases::random::poll_a_while;
use crate::cases::random::tally::{Operation, Tally};
use crate::context::Context;
use crate::fixture::{Capabilities, Fixture, TransportOf};
use crate::oracle;

/// How many connections are kept open for a while.
const KEPT: usize = 8;
const MOST: usize = 50_000;

/// The library accepts; plain clients come while its accepts wait, and some leave at once.
pub(super) async fn accepts<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
    random: &mut Rng,
    tally: &mut Tally,
) {
    let address = cx.address("accepts");
    let options = ListenOptions::new().backlog(3);
    let listener = transport.listen(&address, &options).expect("the path is free");
    let mut handles = vec![listener];
    if F::capabilities().contains(Capabilities::SHARED_LISTENERS) {
        handles.push(transport.share_listener(&handles[0]).expect("it is open"));
    }
    let mut clients = Clients::new(address);
    let mut served = BTreeSet::new();
    let mut steps = 0;
    while !tally.has_enough(&[Operation::Accept]) && steps < MOST {
        steps += 1;
        let handle = random.usize(..handles.len());
        let clients_come = |random: &mut Rng| clients.come(random);
        if random.u8(..8) == 0 {
            let waiting = handles[handle].acceptable();
            if let Some(ready) = poll_a_while(random, waiting, clients_come).await {
                ready.expect("the listener is open");
            }
            continue;
        }
        let answer = poll_a_while(random, handles[handle].accept(), clients_come).await;
        tally.step(Operation::Accept, &answer);
        if let Some(accepted) = answer {
            let (connection, _) = accepted.expect("the listener is open");
            served.insert(number_of(connection, &served).await);
        }
    }
    while served.len() < clients.count() {
        let (connection, _) = handles[0].accept().await.expect("no client is lost");
        served.insert(number_of(connection, &served).await);
    }
    let early = poll_once(handles[0].accept()).await;
    assert!(early.is_none(), "nobody is accepted who did not come");
}

async fn number_of(mut connection: impl Connection, served: &BTreeSet<u64>) -> u64 {
    let mut number = [0; 8];
    connection.read_exact(&mut number).await.expect("each client says its number");
    let number = u64::from_ne_bytes(number);
    assert!(!served.contains(&number), "client {number} is served once");
    number
}

/// Plain clients, numbered from 0.
struct Clients {
    to: Address,
    count: u64,
    kept: VecDeque<UnixStream>,
}

impl Clients {
    fn new(to: Address) -> Clients {
        Clients { to, count: 0, kept: VecDeque::new() }
    }

    fn count(&self) -> usize {
        usize::try_from(self.count).expect("a count in memory")
    }

    /// Perhaps one comes, and perhaps it leaves.
    fn come(&mut self, random: &mut Rng) {
        if random.u8(..3) != 0 {
            return;
        }
        match oracle::connect_at_once(&self.to) {
            Ok(mut client) => {
                client.write_all(&self.count.to_ne_bytes()).expect("the queue takes it");
                self.count += 1;
                if random.bool() {
                    self.kept.push_back(client);
                }
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "only a full backlog"),
        }
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }
}

/// The library connects to a plain server whose backlog is mostly full.
pub(super) async fn connects<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
    random: &mut Rng,
    tally: &mut Tally,
) {
    let address = cx.address("connects");
    let mut server = Server::new(&address);
    let options = ConnectOptions::new();
    let mut kept = VecDeque::new();
    let mut made = 0_u64;
    let mut steps = 0;
    while !tally.has_enough(&[Operation::Connect]) && steps < MOST {
        steps += 1;
        let connecting = transport.connect(&address, &options);
        let connected = if random.u8(..16) == 0 {
            Some(server.wait_for(connecting).await)
        } else {
            let answer = poll_a_while(random, connecting, |random| server.perhaps_accept(random));
            let answer = answer.await;
            tally.step(Operation::Connect, &answer);
            answer
        };
        if let Some(connection) = connected {
            let mut connection = connection.expect("the server listens");
            connection.write_all(&made.to_ne_bytes()).await.expect("connected");
            made += 1;
            kept.push_back(connection);
        }
        if kept.len() > KEPT {
            kept.pop_front();
        }
        // By now each connection that was made has said its number.
        server.hear();
    }
    drop(kept);
    while server.accept() {}
    server.hear();
    let all: BTreeSet<u64> = (0..made).collect();
    assert_eq!(server.heard, all, "each connection that was made reaches the server once");
}

/// A plain server with the shortest backlog.
struct Server {
    listener: UnixListener,
    accepted: Vec<UnixStream>,
    heard: BTreeSet<u64>,
}

impl Server {
    fn new(address: &Address) -> Server {
        let listener = oracle::listen_with_backlog(address, 0);
        listener.set_nonblocking(true).expect("sockets can be non-blocking");
        Server { listener, accepted: Vec::new(), heard: BTreeSet::new() }
    }

    fn perhaps_accept(&mut self, random: &mut Rng) {
        if random.u8(..3) == 0 {
            self.accept();
        }
    }

    /// Whether somebody waited.
    fn accept(&mut self) -> bool {
        match self.listener.accept() {
            Ok((stream, _)) => self.accepted.push(stream),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "only an empty queue");
                return false;
            }
        }
        true
    }

    /// Lets a connect come to its end, which takes it the time of its back-off.
    async fn wait_for<T>(&mut self, connecting: impl Future<Output = T>) -> T {
        let mut connecting = pin!(connecting);
        loop {
            if let Some(connected) = poll_once(&mut connecting).await {
                return connected;
            }
            self.accept();
            yield_now().await;
        }
    }

    /// Reads the number of everyone that was accepted. A ghost, left by a connect that was
    /// dropped, has none.
    fn hear(&mut self) {
        for mut stream in self.accepted.drain(..) {
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit can be set");
            let mut number = [0; 8];
            stream.read_exact(&mut number).expect("a dropped connect leaves no ghost in the queue");
            let is_new = self.heard.insert(u64::from_ne_bytes(number));
            assert!(is_new, "each connection is the server's once");
        }
    }
}
