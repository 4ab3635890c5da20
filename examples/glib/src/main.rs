//! A driver nested in glib's main loop, where its tasks run, too.
//!
//! `cargo run --manifest-path examples/glib/Cargo.toml -- uring`; also `epoll`, and without a name
//! `auto`. It needs glib's headers (Debian: `libglib2.0-dev`). Two ends of a connection talk to each
//! other, and the program ends.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glib::{ControlFlow, IOCondition, MainContext, SourceId};
use unix_transport::{
    AdoptOptions, Connection, Driver, PollRead, PollWrite, Prepared, Selection, Settings,
    Transport, select,
};

#[cfg(test)]
mod tests;

/// A driver in the default main context, on the thread that runs it.
struct Nested {
    driver: Box<dyn Driver>,
    /// For the driver's first deadline.
    timer: Option<SourceId>,
}

impl Nested {
    /// `None` if the driver has no descriptor to wait for.
    fn start(driver: Box<dyn Driver>) -> Option<SourceId> {
        let fd = driver.wait_fd()?.as_raw_fd();
        let nested = Rc::new(RefCell::new(Nested { driver, timer: None }));
        Nested::turn(&nested);
        // Level-triggered. The closure owns the driver, so the descriptor stays open.
        let turn = move |_, _| Nested::turn(&nested);
        Some(glib_unix::unix_fd_add_local(fd, IOCondition::IN, turn))
    }

    /// Takes the events that are there, then announces the sleep. Nothing is lost by tasks that run
    /// in between: what they want of a driver that sleeps makes its descriptor readable.
    fn turn(this: &Rc<RefCell<Nested>>) -> ControlFlow {
        let mut nested = this.borrow_mut();
        if let Some(timer) = nested.timer.take() {
            timer.remove();
        }
        let until = loop {
            match nested.driver.dispatch().and_then(|_| nested.driver.prepare()) {
                Ok(Prepared::Ready) => {}
                Ok(Prepared::SleepUntil(until)) => break until,
                Err(e) => panic!("the driver can't go on: {e}"),
            }
        };
        nested.timer = until.map(|until| {
            // Glib cuts fractions of milliseconds off.
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            let this = Rc::downgrade(this);
            glib::timeout_add_local_once(left, move || {
                if let Some(this) = this.upgrade() {
                    this.borrow_mut().timer = None; // this is it
                    Nested::turn(&this);
                }
            })
        });
        ControlFlow::Continue
    }
}

/// Sends the peer back what it says, until it closes its side.
async fn echo(mut connection: impl Connection) -> io::Result<()> {
    connection.set_read_deadline(Some(Instant::now() + Duration::from_secs(10)));
    loop {
        let bytes = connection.recv().await?;
        if bytes.is_empty() {
            return Ok(());
        }
        connection.send_all(bytes).await?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "auto".to_owned());
    let Selection { name, transport, driver, .. } = select(&name, &Settings::default())?;
    let Some(_nested) = Nested::start(driver) else {
        println!("{name} has no descriptor to wait for: see the example own_thread");
        return Ok(());
    };
    println!("backend: {name}");
    let (one, mut other) = transport.pair(&AdoptOptions::new())?;
    let context = MainContext::default();
    let echoing = context.spawn_local(echo(one));
    context.block_on(async {
        other.write_all(b"hello").await?;
        println!("{}", other.recv().await?.escape_ascii());
        other.close_write().await?;
        Ok(echoing.await??)
    })
}
