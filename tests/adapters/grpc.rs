//! tonic's server and client: the greeter of the example, called in all four ways.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{TryStreamExt, stream};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Server};
use unix_transport::adapters::incoming::Incoming;
use unix_transport::adapters::tower::Connector;
use unix_transport::{
    Address, Backend, Closer, ConnectOptions, Connection, ListenOptions, Listener, Transport,
};

use crate::greeter::{Client, Greeter, Greeting, Name};
use crate::support::{address, chain, every_descriptor, in_child, on_tokio};

on_each_backend!(
    a_thousand_calls_over_one_channel,
    channels_have_connections_of_their_own,
    streams_go_both_ways,
    a_server_that_is_gone_is_named,
    a_want_of_descriptors_is_waited_for,
);

/// A greeter at an address.
struct Served {
    at: Address,
    closer: Closer,
    accepted: Arc<Mutex<Vec<Closer>>>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Served {
    fn new(transport: &impl Transport, at: Address) -> Served {
        let listener = transport.listen(&at, &ListenOptions::new()).expect("a new path");
        let closer = listener.closer();
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&accepted);
        let incoming = Incoming::new(listener).inspect_ok(move |io| {
            list.lock().expect("nothing panics").push(io.get_ref().closer());
        });
        let server = Server::builder().add_service(Greeter).serve_with_incoming(incoming);
        Served { at, closer, accepted, server: tokio::spawn(server) }
    }

    /// Closes the listener, which ends the server, and all its connections. Answers how many it
    /// had.
    async fn end(self) -> usize {
        self.closer.close();
        self.server.await.expect("no panic").expect("a closed listener is no failure");
        let accepted = self.accepted.lock().expect("nothing panics");
        accepted.iter().for_each(Closer::close);
        accepted.len()
    }
}

async fn channel(
    transport: &impl Transport,
    at: &Address,
) -> Result<Channel, tonic::transport::Error> {
    let connector = Connector::new(transport.clone(), at.clone(), ConnectOptions::new());
    Endpoint::from_static("http://any.host").connect_with_connector(connector).await
}

async fn client(transport: &impl Transport, at: &Address) -> Client {
    Client::new(channel(transport, at).await.expect("it listens"))
}

fn greeting(text: &str) -> Greeting {
    Greeting { text: format!("hello, {text}"), caller: process::id() }
}

fn a_thousand_calls_over_one_channel<B: Backend>() {
    on_tokio::<B>(async |transport| {
        let (at, _directory) = address();
        let served = Served::new(&transport, at);
        let client = client(&transport, &served.at).await;
        let call = async |task: usize| {
            let mut client = client.clone();
            for number in 0..100 {
                let name = format!("{task}/{number}");
                assert_eq!(client.greet(&name).await.expect("it is served"), greeting(&name));
            }
        };
        join_all((0..10).map(call)).await;
        assert_eq!(served.end().await, 1);
    });
}

fn channels_have_connections_of_their_own<B: Backend>() {
    on_tokio::<B>(async |transport| {
        let (at, _directory) = address();
        let served = Served::new(&transport, at);
        let call = async |task: usize| {
            let mut client = client(&transport, &served.at).await;
            for number in 0..50 {
                let name = format!("{task}/{number}");
                assert_eq!(client.greet(&name).await.expect("it is served"), greeting(&name));
            }
        };
        join_all((0..20).map(call)).await;
        assert_eq!(served.end().await, 20);
    });
}

fn streams_go_both_ways<B: Backend>() {
    const MANY: usize = 1_000;
    on_tokio::<B>(async |transport| {
        let (at, _directory) = address();
        let served = Served::new(&transport, at);
        let mut client = client(&transport, &served.at).await;

        let names: Vec<String> = (0..MANY).map(|number| format!("number {number}")).collect();
        let messages: Vec<Name> = names.iter().map(|name| Name::new(name)).collect();
        let all = client.greet_all(stream::iter(messages)).await.expect("it is served");
        assert_eq!(all, greeting(&names.join(" and ")));

        let word = "abcdefghij".repeat(MANY / 10);
        let letters = client.spell(&word).await.expect("it is served");
        let letters: Vec<Greeting> = letters.try_collect().await.expect("a whole stream");
        let letters: Vec<String> = letters.into_iter().map(|letter| letter.text).collect();
        assert_eq!((letters.len(), letters.concat()), (MANY, word));

        // Each name is sent after the greeting for the one before.
        let (say, said) = mpsc::channel(1);
        let said = stream::unfold(said, async |mut said| Some((said.recv().await?, said)));
        let mut greetings = client.chat(said).await.expect("it is served");
        for name in &names {
            say.send(Name::new(name)).await.expect("the stream is open");
            let answer = greetings.message().await.expect("it is served");
            assert_eq!(answer, Some(greeting(name)));
        }
        drop(say);
        assert_eq!(greetings.message().await.expect("the end"), None);
        assert_eq!(served.end().await, 1);
    });
}

fn a_server_that_is_gone_is_named<B: Backend>() {
    on_tokio::<B>(async |transport| {
        let (at, _directory) = address();
        let error = channel(&transport, &at).await.expect_err("nothing is there");
        let text = chain(&error);
        assert!(text.contains(&format!("connect to {at}: No such file")), "{text}");

        let connector = Connector::new(transport.clone(), at.clone(), ConnectOptions::new());
        let lazy = Endpoint::from_static("http://any.host").connect_with_connector_lazy(connector);
        let mut client = Client::new(lazy);
        let status = client.greet("Ada").await.expect_err("nothing is there");
        assert_eq!(status.code(), Code::Unavailable);
        assert!(chain(&status).contains(&format!("connect to {at}: No such file")), "{status:?}");

        // The channel connects when the server is there, and says so when it is gone.
        let served = Served::new(&transport, at.clone());
        client.greet("Ada").await.expect("it is there now");
        served.end().await;
        let refused = format!("connect to {at}: connection refused: nothing listens there");
        // Until the channel has noticed, calls fail with the connection that it had.
        while !chain(&client.greet("Ada").await.expect_err("it is gone")).contains(&refused) {
            tokio::task::yield_now().await;
        }
    });
}

fn a_want_of_descriptors_is_waited_for<B: Backend>() {
    in_child(&format!("grpc::{}::a_want_of_descriptors_is_waited_for", B::NAME), || {
        on_tokio::<B>(async |transport| {
            let (at, _directory) = address();
            let served = Served::new(&transport, at);
            // Before there is no room: what is free for the client could be taken by the server, which
            // tries to accept on another thread.
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a descriptor");
            let taken = every_descriptor();
            let path = served.at.as_path().expect("a path");
            client.connect(&SockAddr::unix(path).expect("a short path")).expect("it listens");
            let mut client = UnixStream::from(OwnedFd::from(client));
            let (time, before) = (Duration::from_millis(300), processor_time());
            tokio::time::sleep(time).await;
            let used = processor_time() - before;
            // Little, because whoever spins on a busy machine gets only a share of it.
            assert!(used < time / 15, "waiting took {used:?} of {time:?}");
            assert!(!served.server.is_finished(), "a transient error does not end the server");
            drop(taken);
            // The beginning of HTTP/2, and the type and stream of the first frame of the answer.
            client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("connected");
            client.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).expect("connected");
            client.set_read_timeout(Some(Duration::from_secs(10))).expect("more than nothing");
            let mut frame = [0; 9];
            client.read_exact(&mut frame).expect("it is served");
            assert_eq!(frame[3..], [4, 0, 0, 0, 0, 0], "settings come first");
            assert_eq!(served.end().await, 1);
        });
    });
}

fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("known");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.try_into().expect("it passes"))
}
