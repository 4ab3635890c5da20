//! HTTP/1 as it is on the wire, and clients and handlers that misbehave.

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;

use crate::server::{Server, wait_until};

/// Many requests on one connection, one after the other.
pub(crate) fn keep_alive(server: &mut Server) {
    let mut client = server.connect();
    for _ in 0..1000 {
        client.ask("/");
        assert_eq!(client.answer(), "hello");
    }
}

/// Several requests in one write: the answers come in their order.
pub(crate) fn pipelining(server: &mut Server) {
    let mut client = server.connect();
    let requests = ["/", "/waiting", "/"]
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n"))
        .concat();
    assert_eq!(client.stream.write(requests.as_bytes()).expect("it fits"), requests.len());
    for expected in ["hello", "0", "hello"] {
        assert_eq!(client.answer(), expected);
    }
}

/// While a handler waits, others are answered: those of other connections, and the one that the
/// first waits for.
pub(crate) fn a_slow_handler_stalls_nobody(server: &mut Server) {
    let mut slow = server.connect();
    slow.ask("/meet");
    let mut other = server.connect();
    wait_until("the handler waits", || {
        other.ask("/waiting");
        other.answer() == "1"
    });
    for _ in 0..100 {
        assert_eq!(server.get("/"), "hello");
    }
    assert_eq!(server.get("/meet"), "met");
    assert_eq!(slow.answer(), "met");
}

/// Clients that leave in the middle of an answer, or of a request.
pub(crate) fn aborted_clients_leave_nothing(server: &mut Server) {
    let bodies = &server.app.bodies;
    for _ in 0..20 {
        let mut client = server.connect();
        client.ask("/big");
        let mut read = vec![0; 1 << 16];
        client.stream.read_exact(&mut read).expect("it is served");
        assert_eq!(bodies.load(Ordering::SeqCst), 1);
        drop(client);
        wait_until("the answer is dropped", || bodies.load(Ordering::SeqCst) == 0);
        let mut client = server.connect();
        client.stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("it is served");
    }
    assert_eq!(server.get("/"), "hello");
}

/// Who asked for the panic is cut off; nobody else notices.
pub(crate) fn a_panic_ends_its_connection_alone(server: &mut Server) {
    let mut other = server.connect();
    other.ask("/");
    assert_eq!(other.answer(), "hello");
    let mut client = server.connect();
    client.ask("/panic");
    let mut answer = Vec::new();
    // Either is the end: that of the stream, or a reset.
    _ = client.stream.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    other.ask("/");
    assert_eq!(other.answer(), "hello");
}
