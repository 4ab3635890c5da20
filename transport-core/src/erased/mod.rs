//! Transports without type parameters: the backend is known only at run time.
//!
//! [`AnyTransport`] holds any [`Transport`](crate::Transport) and is one itself, likewise its
//! listeners and connections, so code written against the traits runs on it unchanged. It costs a
//! box per connection, one for the future of a connect, and an indirect call per poll; reading and
//! writing allocate nothing.
//!
//! The generic traits can't be trait objects: their methods answer associated types and futures.
//! [`DynTransport`], [`DynListener`] and [`DynConnection`] are the object-safe forms, and every
//! implementation of a generic trait has its form by itself. [`PollRead`](crate::PollRead) and
//! [`PollWrite`](crate::PollWrite) are object-safe as they are.

mod boxed;
mod connection;
mod listener;
mod transport;

pub use boxed::Boxed;
pub use connection::{AnyConnection, AnyReadHalf, AnyWriteHalf, DynConnection};
pub use listener::{AnyListener, DynListener};
pub use transport::{AnyTransport, DynTransport};
