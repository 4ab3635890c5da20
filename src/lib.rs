//! The facade of the workspace: every backend that was compiled in, how to choose one, and all
//! that programs need of the core, so that they depend on this crate alone.
#![cfg_attr(feature = "epoll", doc = "", doc = include_str!("../README.md"))]

pub mod activation;
pub mod adapters;
mod auto;
mod candidate;
pub mod embed;
#[cfg(all(feature = "blocking", feature = "epoll"))]
pub mod guide;
mod select;

pub use adapters::Io;
pub use auto::Auto;
pub use select::{Selection, VARIABLE, backends, select, select_from_environment};

#[cfg(feature = "blocking")]
pub use backend_blocking::{Blocking, sync as blocking};
#[cfg(feature = "epoll")]
pub use backend_epoll::Epoll;
#[cfg(feature = "uring")]
pub use backend_uring::Uring;

pub use transport_core::{
    AbstractName, Address, AddressError, AdoptOptions, AnyConnection, AnyListener, AnyReadHalf,
    AnyTransport, AnyWriteHalf, Availability, Backend, BytePath, Cause, Chunk, Cleanup, Closer,
    ConnectOptions, Connection, Descriptors, Driver, Error, Interest, ListenOptions, Listener,
    PeerAddress, PeerCredentials, PollRead, PollWrite, Prepared, Progress, Reactor, ReadCursor,
    Readiness, Result, Runtime, Settings, SharedFd, SocketPath, Source, Timers, Transport,
    Unparker, is_available, is_closed, is_transient,
};
pub use transport_core::{
    address, backend, chunk, closer, credentials, cursor, descriptors, duplex, erased, error,
    futures, options, reactor, readiness, runtime, socket, timers, transport, unparker,
};
