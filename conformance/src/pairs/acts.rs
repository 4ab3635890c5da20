//! What the two sides of a pair do: the same acts in the same order, each on a new connection.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use futures_lite::future::zip;
use transport_core::{
    Address, Chunk, Cleanup, ConnectOptions, Connection, Descriptors, ListenOptions, Listener,
    PollRead, PollWrite, Transport,
};

use crate::cases::flow;
use crate::oracle::Pattern;
use crate::pairs::side::{Side, kind};

const ECHO: usize = 1 << 20;
const OWNED: usize = 300_000;
const SEED: u64 = 141;

/// The server's acts; `ready` says that it listens. Answers its notes.
pub(super) async fn server<T: Transport>(
    mut side: Side<T>,
    at: &Address,
    ready: impl FnOnce(),
) -> Vec<String> {
    let options = ListenOptions::new()
        .backlog(0)
        .cleanup(Cleanup::Remove)
        .descriptors(Descriptors::Accept { limit: 2 });
    let mut listener = side.transport.listen(at, &options).expect("the address is free");
    ready();

    flow::echo(&mut next(&mut listener).await).await;
    side.note("echo: done");

    let connection = next(&mut listener).await;
    note_credentials(&mut side, &connection);
    side.meet().await;

    let mut connection = next(&mut listener).await;
    side.note_read("half-close", &mut connection).await;
    side.note_read("half-close", &mut connection).await;
    connection.write_all(b"late").await.expect("the other direction goes on");
    side.meet().await;

    let mut connection = next(&mut listener).await;
    let closed = kind(connection.close_read());
    side.note(format!("close_read: {closed}"));
    connection.write_all(b"still").await.expect("the other direction goes on");
    side.meet().await;
    side.meet().await;

    let mut connection = next(&mut listener).await;
    connection.write_all(b"parting").await.expect("it is connected");
    side.meet().await;
    let unread = connection.queued().expect("the kernel counts");
    side.note(format!("reset: closed with {unread} bytes unread"));
    drop(connection);

    let mut connection = next(&mut listener).await;
    note_owned(&mut side, &mut connection).await;

    let mut connection = next(&mut listener).await;
    let mut text = [0; 11];
    connection.read_exact(&mut text).await.expect("it was written");
    side.note(format!("vectored: Ok({:?})", String::from_utf8_lossy(&text)));

    let mut connection = next(&mut listener).await;
    note_descriptors(&mut side, &mut connection).await;

    let mut connection = next(&mut listener).await;
    side.note_read("gone", &mut connection).await;
    side.note_read("gone", &mut connection).await;

    let mut connection = next(&mut listener).await;
    connection.closer().close();
    side.note_read("closer", &mut connection).await;
    side.note_write_error("closer", &mut connection).await;

    let mut connection = next(&mut listener).await;
    connection.set_read_deadline(Some(Instant::now() + Duration::from_millis(10)));
    side.note_read("deadline", &mut connection).await;
    side.meet().await;

    side.meet().await;
    drop(next(&mut listener).await);
    side.note("backlog: accepted the one that was admitted");
    side.meet().await;

    side.meet().await;
    listener.closer().drain();
    side.meet().await;
    side.meet().await;
    drop(next(&mut listener).await);
    side.note("drain: accepted the one that was queued");
    let end = kind(listener.accept().await);
    side.note(format!("drain: then accept {end}"));
    let state = if listener.closer().is_closed() { "closed" } else { "open" };
    side.note(format!("drain: {state}"));

    drop(listener);
    let file = at.as_path().is_some_and(|path| path.exists());
    side.note(format!("end: the file is {}", if file { "there" } else { "gone" }));
    side.meet().await;
    side.into_notes()
}

async fn next<L: Listener>(listener: &mut L) -> L::Connection {
    listener.accept().await.expect("a client comes").0
}

fn note_credentials<T: Transport>(side: &mut Side<T>, connection: &impl Connection) {
    let peer = connection.peer_credentials().expect("the kernel knows");
    let whose = if peer.pid == Some(std::process::id()) { "this process" } else { "another one" };
    side.note(format!("credentials: {whose}"));
}

async fn note_owned<T: Transport>(side: &mut Side<T>, connection: &mut impl Connection) {
    let mut expected = Pattern::new(SEED);
    loop {
        let chunk = connection.recv().await.expect("an open stream can be read");
        if chunk.is_empty() {
            break;
        }
        expected.check(&chunk);
    }
    side.note(format!("owned: {} bytes, then the end", expected.position()));
}

async fn note_descriptors<T: Transport>(side: &mut Side<T>, connection: &mut impl Connection) {
    let received = connection.read_descriptors(&mut [0; 8]).await;
    let (_, mut descriptors) = received.expect("they are allowed");
    let count = descriptors.len();
    let mut content = String::new();
    let file = descriptors.pop().map(File::from);
    file.expect("one was sent").read_to_string(&mut content).expect("it can be read");
    side.note(format!("descriptors: {count}, and reading it gives {content:?}"));
}

/// The client's acts. Answers its notes.
pub(super) async fn client<T: Transport>(mut side: Side<T>, to: &Address) -> Vec<String> {
    let (mut read, mut write) = side.connect(to).await.split();
    let send = async {
        let sent = Pattern::new(SEED).take(ECHO);
        write.write_all(&sent).await.expect("the server reads all of it");
        write.close_write().await.expect("the stream can be ended");
    };
    let (came_back, ()) = zip(flow::read_to_end(&mut read, SEED), send).await;
    let came_back = came_back.expect("the echo comes back whole");
    side.note(format!("echo: {came_back} bytes came back, then the end"));

    let connection = side.connect(to).await;
    note_credentials(&mut side, &connection);
    side.meet().await;

    let mut connection = side.connect(to).await;
    connection.write_all(b"early").await.expect("it is connected");
    connection.close_write().await.expect("one half can be closed");
    side.note_read("half-close", &mut connection).await;
    side.meet().await;

    let mut connection = side.connect(to).await;
    side.meet().await;
    side.note_write_error("close_read", &mut connection).await;
    side.note_read("close_read", &mut connection).await;
    side.meet().await;

    let mut connection = side.connect(to).await;
    connection.write_all(b"unread").await.expect("it is connected");
    side.meet().await;
    for _ in 0..4 {
        side.note_read("reset", &mut connection).await;
    }
    side.note_write_error("reset", &mut connection).await;

    let mut connection = side.connect(to).await;
    let chunk = Chunk::from(Pattern::new(SEED).take(OWNED));
    connection.send_all(chunk).await.expect("it is connected");
    connection.close_write().await.expect("what was taken is sent before the end");

    let mut connection = side.connect(to).await;
    let slices = [&b"one"[..], b"", b"two", b"three"].map(IoSlice::new);
    let written = connection.write_vectored(&slices).await.expect("the buffer has room");
    side.note(format!("vectored: {written}"));

    let mut connection = side.connect(to).await;
    let file = file_with(b"content");
    let written = connection.write_descriptors(b"x", &[file.as_fd()]).await;
    side.note(format!("descriptors: {}", written.expect("the server takes them")));

    let mut connection = side.connect(to).await;
    connection.write_all(b"last").await.expect("it is connected");
    drop(connection);

    let mut connection = side.connect(to).await;
    side.note_read("closer", &mut connection).await;
    side.note_write_error("closer", &mut connection).await;

    let connection = side.connect(to).await;
    side.meet().await;
    drop(connection);

    let queued = side.connect(to).await;
    let at_once = ConnectOptions::new().timeout(Duration::ZERO);
    let short = ConnectOptions::new().timeout(Duration::from_millis(10));
    let first = side.connect_error(to, &at_once).await.kind();
    let second = side.connect_error(to, &short).await.kind();
    side.note(format!("backlog: {first:?}, then {second:?}"));
    side.meet().await;
    side.meet().await;
    drop(queued);

    let queued = side.connect(to).await;
    side.meet().await;
    side.meet().await;
    let refused = side.connect_error(to, &ConnectOptions::new()).await.kind();
    side.note(format!("drain: connect {refused:?}"));
    side.meet().await;
    drop(queued);

    side.meet().await;
    let missing = side.connect_error(to, &ConnectOptions::new()).await.kind();
    side.note(format!("end: connect {missing:?}"));
    side.into_notes()
}

/// A file at its start, with this content, that has no name.
fn file_with(content: &[u8]) -> File {
    use std::io::Seek;
    let mut file = tempfile::tempfile().expect("a temporary file can be made");
    file.write_all(content).expect("it can be written");
    file.rewind().expect("it can be sought");
    file
}
