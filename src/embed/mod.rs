//! Living inside another program's loop: a driver on a thread of its own, a driver nested in
//! tokio, or sockets on somebody else's reactor.

#[cfg(any(feature = "async-io", feature = "tokio"))]
pub mod hosted;
#[cfg(feature = "tokio")]
pub mod nested;
pub mod thread;
