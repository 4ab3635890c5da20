//! Living inside another program's loop: a driver on a thread of its own, a driver nested in
//! tokio, or sockets on somebody else's reactor.

#[cfg(feature = "async-io")]
pub mod async_io;
pub mod thread;
#[cfg(feature = "tokio")]
pub mod tokio;
