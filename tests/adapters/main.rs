//! Connections as those of other libraries, on every backend: on our runtime, and on tokio with
//! the driver on a thread of its own.

#[macro_use]
mod support;

mod futures_io;
#[path = "../../examples/tonic/greeter.rs"]
mod greeter;
mod grpc;
mod http;
mod incoming;
mod pool;
mod tokio_io;
