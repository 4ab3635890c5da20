//! A few bytes each way: the proof that two ends belong to one connection.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use transport_core::Connection;

/// Sends a random message each way, and checks that it arrives. The messages are small enough to
/// fit into any buffer, so both ends can be used from one thread.
///
/// # Panics
/// If either message does not arrive as it was sent.
pub async fn exchange(ours: &mut impl Connection, theirs: &mut UnixStream) {
    let (question, answer) = (token(), token());
    let mut received = [0; 16];
    theirs.write_all(&question).expect("the oracle writes to a connected peer");
    ours.read_exact(&mut received).await.expect("what the oracle wrote can be read");
    assert_eq!(received, question, "the backend reads what the oracle wrote");
    ours.write_all(&answer).await.expect("a connected peer can be written to");
    theirs.read_exact(&mut received).expect("the oracle reads what was written");
    assert_eq!(received, answer, "the oracle reads what the backend wrote");
}

/// As [`exchange`], between two connections of backends.
///
/// # Panics
/// If either message does not arrive as it was sent.
pub async fn is_connected_to(one: &mut impl Connection, other: &mut impl Connection) {
    let (question, answer) = (token(), token());
    let mut received = [0; 16];
    one.write_all(&question).await.expect("a connected peer can be written to");
    other.read_exact(&mut received).await.expect("what was written can be read");
    assert_eq!(received, question, "one end reads what the other wrote");
    other.write_all(&answer).await.expect("a connected peer can be written to");
    one.read_exact(&mut received).await.expect("what was written can be read");
    assert_eq!(received, answer, "one end reads what the other wrote");
}

fn token() -> [u8; 16] {
    fastrand::u128(..).to_ne_bytes()
}
