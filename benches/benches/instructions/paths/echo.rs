//! Round trips on a warm connection: both its ends are this library's, in one thread.

use std::io::{self, Read, Write};

use unix_transport::{
    AdoptOptions, Backend, Chunk, Connection, PollRead, PollWrite, Runtime, Settings, Transport,
    blocking,
};

use crate::valgrind::counted;

pub(super) const ROUND_TRIP: &str = "64 bytes there and back";
pub(super) const ROUND_TRIPS: u32 = 1_000;
const WARM_UP: u32 = 100;

const MESSAGE: [u8; 64] = *b"Sixty-four bytes that the server has to send back as they came..";

pub(super) fn borrowed<B: Backend>() -> io::Result<()> {
    let mut runtime = Runtime::<B>::new(&Settings::default())?;
    let (mut client, mut server) = runtime.transport().pair(&AdoptOptions::new())?;
    let echo = async move {
        let mut buf = [0; 4096];
        loop {
            let count = server.read(&mut buf).await?;
            if count == 0 {
                return io::Result::Ok(());
            }
            server.write_all(&buf[..count]).await?;
        }
    };
    runtime.spawn(echo).detach();
    runtime.block_on(borrow(&mut client, WARM_UP))?;
    counted(|| runtime.block_on(borrow(&mut client, ROUND_TRIPS)))
}

async fn borrow(client: &mut impl Connection, round_trips: u32) -> io::Result<()> {
    let mut buf = [0; MESSAGE.len()];
    for _ in 0..round_trips {
        client.write_all(&MESSAGE).await?;
        client.read_exact(&mut buf).await?;
    }
    came_back(&buf)
}

/// Sends go through the ring, where there is one.
pub(super) fn owned<B: Backend>() -> io::Result<()> {
    owned_with::<B>(false)
}

pub(super) fn direct<B: Backend>() -> io::Result<()> {
    owned_with::<B>(true)
}

fn owned_with<B: Backend>(sends_are_direct: bool) -> io::Result<()> {
    let mut settings = Settings::default();
    settings.direct_sends = Some(sends_are_direct);
    let mut runtime = Runtime::<B>::new(&settings)?;
    let (mut client, mut server) = runtime.transport().pair(&AdoptOptions::new())?;
    let echo = async move {
        loop {
            let chunk = server.recv().await?;
            if chunk.is_empty() {
                return io::Result::Ok(());
            }
            server.send_all(chunk).await?;
        }
    };
    runtime.spawn(echo).detach();
    let chunk = Chunk::from(&MESSAGE[..]);
    let chunk = runtime.block_on(own(&mut client, chunk, WARM_UP))?;
    let chunk = counted(|| runtime.block_on(own(&mut client, chunk, ROUND_TRIPS)))?;
    came_back(&chunk)
}

/// Sends what came back, so that no memory is made for a message.
async fn own(
    client: &mut impl Connection,
    mut chunk: Chunk,
    round_trips: u32,
) -> io::Result<Chunk> {
    for _ in 0..round_trips {
        client.send_all(chunk).await?;
        chunk = client.recv().await?;
    }
    Ok(chunk)
}

pub(super) fn synchronous() -> io::Result<()> {
    let (mut client, mut server) = blocking::pair(&AdoptOptions::new())?;
    let mut buf = [0; MESSAGE.len()];
    let mut round_trips = |count| {
        for _ in 0..count {
            client.write_all(&MESSAGE)?;
            server.read_exact(&mut buf)?;
            server.write_all(&buf)?;
            client.read_exact(&mut buf)?;
        }
        came_back(&buf)
    };
    round_trips(WARM_UP)?;
    counted(|| round_trips(ROUND_TRIPS))
}

fn came_back(bytes: &[u8]) -> io::Result<()> {
    match bytes == MESSAGE {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes came back")),
    }
}
