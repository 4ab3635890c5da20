//! Whether the ring works here: found out by doing what the backend does.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use transport_core::{
    AdoptOptions, Availability, Chunk, Driver, PollRead, PollWrite, ReadCursor, Settings,
    Transport, socket,
};

use crate::driver::UringDriver;
use crate::price;
use crate::transport::UringTransport;

/// How often an end of stream must be seen before multishot receives are trusted.
const ROUNDS: usize = 200;

/// How long one step of a probe may take.
const STEP: Duration = Duration::from_millis(500);

pub(crate) fn probe() -> Availability {
    // The trial's send is to be the ring's.
    let mut settings = Settings::default();
    settings.direct_sends = Some(false);
    let (transport, mut driver) = match crate::open(&settings) {
        Ok(opened) => opened,
        Err(e) => return Availability::No(e.cause().to_string()),
    };
    if let Err(e) = round_trip(&transport, &mut driver) {
        return Availability::No(format!("io_uring can be set up but not used: {e}"));
    }
    let receives = match multishot_sees_every_end() {
        true => "multishot receives",
        false => "one-shot receives (this kernel's multishot receives lose ends of streams)",
    };
    let sends = match price::system_calls_are_cheap() {
        true => "direct sends",
        false => "queued sends",
    };
    Availability::Yes(format!("{}, {receives}, {sends}", driver.flags()))
}

/// A poll, a send and a receive on the ring.
fn round_trip(transport: &UringTransport, driver: &mut UringDriver) -> io::Result<()> {
    let (mut one, mut other) = transport.pair(&AdoptOptions::new())?;
    let mut sent = Chunk::from(&b"probe"[..]);
    complete(driver, |cx| one.poll_send(cx, &mut sent))?;
    complete(driver, |cx| one.poll_flush(cx))?;
    let received = complete(driver, |cx| other.poll_recv(cx))?;
    if *received != *b"probe" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes than were sent"));
    }
    let mut buf = [0; 5];
    socket::send(one.as_fd(), b"again")?;
    let mut into = ReadCursor::new(&mut buf);
    complete(driver, |cx| other.poll_read(cx, &mut into))
}

/// Whether multishot receives see each end of stream that comes together with data, which they
/// did not on Linux 6.16 and some later ones (CVE-2026-23473). Tried once in each process.
pub(crate) fn multishot_sees_every_end() -> bool {
    static SEES: OnceLock<bool> = OnceLock::new();
    *SEES.get_or_init(|| try_ends().unwrap_or(false))
}

fn try_ends() -> io::Result<bool> {
    let (transport, mut driver) = crate::open(&Settings::default())?;
    for _ in 0..ROUNDS {
        let (one, mut other) = transport.pair(&AdoptOptions::new())?;
        let mut cx = Context::from_waker(Waker::noop());
        if other.poll_recv(&mut cx).is_ready() {
            return Ok(false);
        }
        driver.turn(Some(Duration::ZERO))?;
        socket::send(one.as_fd(), b"x")?;
        socket::shutdown(one.as_fd(), Shutdown::Write)?;
        let data = complete(&mut driver, |cx| other.poll_recv(cx))?;
        let end = complete(&mut driver, |cx| other.poll_recv(cx));
        match end {
            Ok(end) if data.len() == 1 && end.is_empty() && driver.ends_missed() == 0 => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Turns the driver until an operation is done.
fn complete<T>(
    driver: &mut UringDriver,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> io::Result<T> {
    let unparker = driver.unparker();
    let waker = unparker.waker();
    let mut cx = Context::from_waker(&waker);
    let deadline = Instant::now() + STEP;
    loop {
        if let Poll::Ready(answer) = poll(&mut cx) {
            return answer;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        driver.turn(Some(left))?;
    }
}
