//! Whether a built peer keeps the contract, so that a comparison never measures a server that
//! loses bytes: it echoes what is written, more than its socket holds too, and outlives connections
//! that end or break. A sink counts as much.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use command::arguments::Service;
use command::failure::{Failure, Result};
use command::measure::Server;

use super::Peer;

/// More than the sockets of both directions hold, so that the server has to wait for room.
const BYTES: usize = 2 * 1024 * 1024;

/// How long a read or a write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the peer's `program`, checks it, and ends it.
///
/// # Errors
/// If it does not start, or does not do as it must.
pub(super) fn serves(peer: &Peer, program: &Path) -> Result<()> {
    let directory = tempfile::tempdir();
    let directory = directory.map_err(|error| Failure::new("make a temporary directory", error))?;
    for (service, check) in CHECKS {
        let path = directory.path().join(service.to_string());
        let Some(mut command) = peer.command(program, service) else { continue };
        let mut server = Server::start(peer.name, &path, command.arg(&path))?;
        check(&path).map_err(|error| server.explain(&error))?;
    }
    Ok(())
}

type Check = fn(&Path) -> io::Result<()>;

/// What is checked of each service.
const CHECKS: [(Service, Check); 2] = [(Service::Echo, exchange), (Service::Sink, count)];

fn exchange(path: &Path) -> io::Result<()> {
    let sent: Vec<u8> = (0..BYTES).map(|index| (index % 251) as u8).collect();
    let mut received = vec![0; BYTES];

    let mut connection = connect(path)?;
    let mut writing = connection.try_clone()?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| writing.write_all(&sent));
        connection.read_exact(&mut received)?;
        writer.join().map_err(|_| io::Error::other("the writer panicked"))?
    })?;
    if received != sent {
        return Err(io::Error::other("it echoes other bytes than were written"));
    }
    connection.shutdown(Shutdown::Write)?;
    if connection.read(&mut received)? != 0 {
        return Err(io::Error::other("it sends more than was written"));
    }

    // Closed with the echo unread, which breaks the connection under the server's hands.
    connect(path)?.write_all(&sent[..1024])?;
    let mut connection = connect(path)?;
    connection.write_all(b"again")?;
    connection.read_exact(&mut received[..5])?;
    if &received[..5] == b"again" {
        return Ok(());
    }
    Err(io::Error::other("it echoes other bytes than were written"))
}

fn count(path: &Path) -> io::Result<()> {
    let mut connection = connect(path)?;
    connection.write_all(&vec![1; BYTES])?;
    connection.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    match answer == (BYTES as u64).to_le_bytes() {
        true => Ok(()),
        false => Err(io::Error::other("it counts other bytes than were written")),
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let connection = UnixStream::connect(path)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}
