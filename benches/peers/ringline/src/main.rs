//! An echo server on ringline: multishot receives into buffers that the ring provides, and a task
//! per connection on one worker. A second thread does nothing but accept; that is ringline's design.

use std::future::poll_fn;
use std::io;
use std::process::ExitCode;
use std::task::Poll;

use peer_harness::{BUFFER, Task};
use ringline::{AsyncEventHandler, ConfigBuilder, ConnCtx, ParseResult, RinglineBuilder};

/// How many accepted connections may wait for the worker; the default of 1,024 closes the rest when
/// ten thousand come at once.
const ACCEPTED: usize = 16 * 1024;

struct Echo;

impl AsyncEventHandler for Echo {
    fn on_accept(&self, connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        serve_one(connection)
    }

    fn create_for_worker(_worker: usize) -> Self {
        Echo
    }
}

fn main() -> ExitCode {
    peer_harness::run(&peer_harness::version_of!("ringline"), 1, serve)
}

fn serve(task: Task) -> peer_harness::Result {
    let config = ConfigBuilder::new()
        .workers(1)
        // A pinned worker would leave the cores that this process was given.
        .pin_to_core(false)
        .accept_queue_capacity(ACCEPTED)
        .build()?;
    let (_shutdown, workers) =
        RinglineBuilder::new(config).bind_unix(task.path()).launch::<Echo>()?;
    task.listens();
    for worker in workers {
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    Ok(())
}

async fn serve_one(connection: ConnCtx) {
    // A connection that fails ends alone; its peer notices.
    _ = echo(connection).await;
}

async fn echo(connection: ConnCtx) -> io::Result<()> {
    loop {
        let mut sent = None;
        let receive = connection.with_data(|data| {
            let data = &data[..data.len().min(BUFFER)];
            if !data.is_empty() {
                sent = Some(connection.send(data).map_err(|_| data.to_vec()));
            }
            ParseResult::Consumed(data.len())
        });
        receive.await;
        match sent {
            None => return Ok(()),
            Some(Ok(sending)) => _ = sending.await?,
            Some(Err(unsent)) => send_later(connection, &unsent).await?,
        }
    }
}

/// Sends when other connections' sends have given back enough of the memory that all share.
async fn send_later(connection: ConnCtx, unsent: &[u8]) -> io::Result<()> {
    loop {
        yield_now().await;
        match connection.send(unsent) {
            Ok(sending) => return sending.await.map(drop),
            Err(error) if error.kind() == io::ErrorKind::Other => {}
            Err(error) => return Err(error),
        }
    }
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| match std::mem::replace(&mut yielded, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}
