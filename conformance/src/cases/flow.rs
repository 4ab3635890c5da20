//! Moving streams: what several topics do with bytes once a connection stands.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use transport_core::{Connection, PollRead, PollWrite};

use crate::oracle::Pattern;

/// A read or a write of a stream: of the size that programs use.
const PIECE: usize = 64 * 1024;

/// The lengths that echoes are checked with: nothing, one byte, around a page, and far more than
/// the socket's buffer.
pub(crate) const LENGTHS: [usize; 6] = [0, 1, 4095, 4096, 64 * 1024, 8 * 1024 * 1024];

/// The library's side of an echo, on the borrowed path: until the end, and then closes its
/// writing side.
pub(crate) async fn echo(connection: &mut impl Connection) {
    let mut buf = vec![0; PIECE];
    loop {
        let received = connection.read(&mut buf).await.expect("an open stream can be read");
        if received == 0 {
            break;
        }
        connection.write_all(&buf[..received]).await.expect("the peer reads all of its echo");
    }
    connection.close_write().await.expect("the writing side can be closed");
}

/// The plain client of an echo: sends so many bytes, then the end, and checks what comes back.
pub(crate) fn check_echo(peer: &UnixStream, seed: u64, length: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            send(peer, &mut Pattern::new(seed), length).expect("the echo takes everything");
            peer.shutdown(Shutdown::Write).expect("the client can end its stream");
        });
        let came_back = receive_to_end(peer, seed).expect("the echo comes back");
        assert_eq!(came_back, length as u64, "an echo is as long as what was sent");
    });
}

/// Sends the next part of the pattern.
pub(crate) fn send(mut peer: &UnixStream, sent: &mut Pattern, length: usize) -> io::Result<()> {
    let end = sent.position() + length as u64;
    while sent.position() < end {
        let rest = usize::try_from(end - sent.position()).expect("a length in memory");
        peer.write_all(&sent.take(rest.min(PIECE)))?;
    }
    Ok(())
}

/// Reads to the end, checks every byte against the pattern, and answers how many there were.
pub(crate) fn receive_to_end(peer: &UnixStream, seed: u64) -> io::Result<u64> {
    let mut expected = Pattern::new(seed);
    receive_rest(peer, &mut expected)?;
    Ok(expected.position())
}

/// Reads to the end what follows in the pattern.
pub(crate) fn receive_rest(mut peer: &UnixStream, expected: &mut Pattern) -> io::Result<()> {
    let mut buf = vec![0; PIECE];
    loop {
        match peer.read(&mut buf)? {
            0 => return Ok(()),
            received => expected.check(&buf[..received]),
        }
    }
}

/// The library's side of [`receive_to_end`], on the borrowed path.
pub(crate) async fn read_to_end(
    connection: &mut (impl PollRead + Unpin),
    seed: u64,
) -> io::Result<u64> {
    let mut expected = Pattern::new(seed);
    let mut buf = vec![0; PIECE];
    loop {
        match connection.read(&mut buf).await? {
            0 => return Ok(expected.position()),
            received => expected.check(&buf[..received]),
        }
    }
}

/// Writes the pattern until the buffer is full: until a write would wait. A deadline in the past
/// says when, on every kind of backend.
pub(crate) async fn fill(
    connection: &mut (impl PollWrite + Unpin),
    sent: &mut Pattern,
    piece: usize,
) {
    connection.set_write_deadline(Some(Instant::now()));
    let error = loop {
        match connection.write(&sent.peek(piece)).await {
            Ok(written) => sent.advance(written),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "a full buffer makes a write wait: {error}");
    connection.set_write_deadline(None);
}

/// What is there, by either path; nothing at the end of the stream.
pub(super) async fn read_or_recv(
    connection: &mut impl Connection,
    owned: bool,
) -> io::Result<Vec<u8>> {
    if owned {
        return Ok(connection.recv().await?.to_vec());
    }
    let mut buf = [0; 64];
    let count = connection.read(&mut buf).await?;
    Ok(buf[..count].to_vec())
}
