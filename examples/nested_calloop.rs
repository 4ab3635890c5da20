//! A driver nested in calloop; its tasks run in calloop's executor.
//!
//! `cargo run --example nested_calloop -- uring`; also `epoll`, and without a name `auto`. Two ends
//! of a connection talk to each other, and the program ends.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, Mode, PostAction};
use unix_transport::{
    AdoptOptions, Connection, Driver, Prepared, Selection, Settings, Transport, select,
};

/// Sends the peer back what it says, until it closes its side.
async fn echo(mut connection: impl Connection) -> io::Result<String> {
    // Deadlines are the driver's timers: the loop sleeps no longer than `prepare` says.
    connection.set_read_deadline(Some(Instant::now() + Duration::from_secs(10)));
    loop {
        let bytes = connection.recv().await?;
        if bytes.is_empty() {
            return Ok("the peer is done".to_owned());
        }
        connection.send_all(bytes).await?;
    }
}

/// Says hello, and answers what comes back.
async fn talk(mut connection: impl Connection) -> io::Result<String> {
    connection.write_all(b"hello").await?;
    let mut answer = vec![0; 5];
    connection.read_exact(&mut answer).await?;
    String::from_utf8(answer).map_err(io::Error::other)
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let Selection { name, transport, mut driver, .. } = select(&name, &Settings::default())?;
    let Some(fd) = driver.wait_fd() else {
        println!("{name} has no descriptor to wait for: see the example own_thread");
        return Ok(());
    };
    println!("backend: {name}");

    let mut event_loop = EventLoop::try_new()?;
    // Only ends the sleep.
    let fd = Generic::new(fd.try_clone_to_owned()?, Interest::READ, Mode::Level);
    event_loop.handle().insert_source(fd, |_, _, _| Ok(PostAction::Continue))?;

    let (executor, tasks) = calloop::futures::executor()?;
    let keep = |answer, _: &mut (), answers: &mut Vec<io::Result<String>>| answers.push(answer);
    event_loop.handle().insert_source(executor, keep)?;
    let (one, other) = transport.pair(&AdoptOptions::new())?;
    tasks.schedule(echo(one))?;
    tasks.schedule(talk(other))?;

    let mut answers = Vec::new();
    while answers.len() < 2 {
        let timeout = match driver.prepare()? {
            Prepared::Ready => Some(Duration::ZERO),
            Prepared::SleepUntil(until) => {
                until.map(|until| until.saturating_duration_since(Instant::now()))
            }
        };
        // Every other source of this loop has its turn here.
        event_loop.dispatch(timeout, &mut answers)?;
        driver.dispatch()?;
    }
    for answer in answers {
        println!("{}", answer?);
    }
    Ok(())
}
