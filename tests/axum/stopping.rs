//! How a server ends: what has begun is finished.

use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use futures_executor::block_on;

use crate::server::{Server, wait_until};

/// A request that is at a handler when the listener is closed gets its answer; an idle connection
/// ends.
pub(crate) fn requests_at_hand_are_finished(server: &mut Server) {
    let [mut idle, mut slow] = [server.connect(), server.connect()];
    idle.ask("/");
    assert_eq!(idle.answer(), "hello");
    slow.ask("/meet");
    wait_until("the handler waits", || server.app.waiting.load(Ordering::SeqCst) == 1);
    server.closer.close();
    assert_eq!(idle.read(&mut [0]).expect("no reset"), 0, "it is closed");
    block_on(server.app.meeting.wait());
    assert_eq!(slow.answer(), "met");
    assert_eq!(slow.read(&mut [0]).expect("no reset"), 0, "nothing follows");
}

/// A client that is in the queue, with its request, when the listener is drained is answered.
pub(crate) fn queued_requests_are_answered(server: &mut Server) {
    let (opens, gate) = mpsc::channel();
    *server.app.gate.lock().expect("nobody panicked") = Some(gate);
    let mut blocking = server.connect();
    blocking.ask("/block");
    wait_until("the server's thread waits", || server.app.waiting.load(Ordering::SeqCst) == 1);
    let mut queued = server.connect();
    queued.ask("/");
    server.closer.drain();
    UnixStream::connect(server.path()).expect_err("nobody else is let in");
    opens.send(()).expect("the handler waits");
    assert_eq!(blocking.answer(), "opened");
    assert_eq!(queued.answer(), "hello");
}
