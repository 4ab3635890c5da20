//! A driver nested in a raw epoll loop, beside a descriptor of that loop's own.
//!
//! `cargo run --example nested_epoll -- uring`; also `epoll`, and without a name `auto`. The
//! program serves one client, which tells the loop through a pipe what it heard, and ends.

use std::error::Error;
use std::io::{self, PipeWriter, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::pin;
use std::task::Context;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use unix_transport::{
    Address, Driver, ListenOptions, Listener, PollRead, PollWrite, Prepared, Selection, Settings,
    Transport, select,
};

/// Sends one client back what it says, until it closes its side.
async fn serve(mut listener: impl Listener) -> io::Result<()> {
    // Deadlines are the driver's timers: the loop sleeps no longer than `prepare` says.
    listener.set_accept_deadline(Some(Instant::now() + Duration::from_secs(10)));
    let (mut connection, _) = listener.accept().await?;
    loop {
        let bytes = connection.recv().await?;
        if bytes.is_empty() {
            return connection.close_write().await;
        }
        connection.send_all(bytes).await?;
    }
}

/// A client without any loop, on a thread of its own.
fn talk(to: &Path, mut report: PipeWriter) -> io::Result<()> {
    let mut server = UnixStream::connect(to)?;
    server.write_all(b"hello")?;
    server.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    report.write_all(&answer)
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let Selection { name, transport, mut driver, .. } = select(&name, &Settings::default())?;
    let Some(fd) = driver.wait_fd() else {
        println!("{name} has no descriptor to wait for: see the example own_thread");
        return Ok(());
    };
    println!("backend: {name}");

    let (mut reports, report) = io::pipe()?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    const DRIVER: u64 = 0;
    const REPORT: u64 = 1;
    epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, DRIVER))?;
    epoll.add(&reports, EpollEvent::new(EpollFlags::EPOLLIN, REPORT))?;

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let listener = transport.listen(&Address::path(&path)?, &ListenOptions::new())?;
    let client = thread::spawn(move || talk(&path, report));

    // One task. Waking it keeps the driver from sleeping, or ends its sleep.
    let mut server = pin!(serve(listener));
    let mut is_served = false;
    let waker = driver.unparker().waker();
    loop {
        is_served = is_served || server.as_mut().poll(&mut Context::from_waker(&waker))?.is_ready();
        // Right before the sleep, after everything that could give the driver work.
        let timeout = match driver.prepare()? {
            Prepared::Ready => EpollTimeout::ZERO,
            Prepared::SleepUntil(None) => EpollTimeout::NONE,
            Prepared::SleepUntil(Some(until)) => {
                let left = until.saturating_duration_since(Instant::now());
                EpollTimeout::try_from(left.as_nanos().div_ceil(1_000_000))?
            }
        };
        let mut events = [EpollEvent::empty(); 8];
        let count = match epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            count => count?,
        };
        driver.dispatch()?;
        if events[..count].iter().any(|event| event.data() == REPORT) {
            let mut heard = String::new();
            reports.read_to_string(&mut heard)?;
            println!("{heard}");
            break;
        }
    }
    Ok(client.join().expect("no panic")?)
}
