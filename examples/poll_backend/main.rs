//! A fourth backend, plugged into the library: a greeting goes through `poll(2)`.
//!
//! `cargo run --example poll_backend`. Its `reactor.rs` is all that the backend takes;
//! `cargo test -p conformance --test poll_example` runs the whole suite against it.

mod reactor;

use reactor::Poll;
use unix_transport::{AdoptOptions, PollRead, PollWrite, Runtime, Settings, Transport};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut runtime = Runtime::<Poll>::new(&Settings::default())?;
    let (mut here, mut there) = runtime.transport().pair(&AdoptOptions::new())?;
    let greeting = runtime.block_on(async {
        there.write_all(b"hello over poll(2)").await?;
        here.recv().await
    })?;
    println!("{}", greeting.escape_ascii());
    Ok(())
}
