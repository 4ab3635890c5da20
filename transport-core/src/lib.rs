//! What a Unix domain stream socket is to `unix-transport`: addresses, options, the traits that
//! backends implement, and the parts that backends share.
//!
//! Most programs use the facade, the crate `unix-transport`, which re-exports all of this.
//! Rules named A1, L3 and so on, and numbered cases, are those of `docs/semantics.md`.

pub mod address;
pub mod backend;
mod buffers;
pub mod chunk;
pub mod closer;
pub mod credentials;
pub mod cursor;
pub mod descriptors;
pub mod duplex;
pub mod erased;
pub mod error;
pub mod futures;
pub mod options;
pub mod reactor;
pub mod readiness;
pub mod runtime;
pub mod socket;
pub mod timers;
pub mod transport;
pub mod unparker;

pub use address::{AbstractName, Address, AddressError, PeerAddress, SocketPath};
pub use backend::{Availability, Backend, Driver, Prepared};
pub use chunk::Chunk;
pub use closer::Closer;
pub use credentials::PeerCredentials;
pub use cursor::ReadCursor;
pub use erased::{AnyConnection, AnyListener, AnyReadHalf, AnyTransport, AnyWriteHalf};
pub use error::{Cause, Error, Result, is_closed, is_transient};
pub use options::{AdoptOptions, Cleanup, ConnectOptions, Descriptors, ListenOptions, Settings};
pub use reactor::{Interest, Progress, Reactor, SharedFd, Source};
pub use readiness::Readiness;
pub use runtime::Runtime;
pub use timers::Timers;
pub use transport::{BytePath, Connection, Listener, PollRead, PollWrite, Transport};
pub use unparker::Unparker;

/// Whether this platform has Unix sockets (rule A8). Each backend's probe says more.
#[must_use]
pub const fn is_available() -> bool {
    cfg!(unix)
}
