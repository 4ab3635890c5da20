//! A connector for clients: `Service<Uri>`, as hyper-util and tonic want it.
//!
//! hyper-util's pooled client on our runtime:
//!
#![cfg_attr(feature = "epoll", doc = "```no_run")]
#![cfg_attr(not(feature = "epoll"), doc = "```ignore")]
//! use http_body_util::Empty;
//! use hyper::body::Bytes;
//! use hyper_util::client::legacy::Client;
//! use unix_transport::adapters::hyper::HyperHandle;
//! use unix_transport::adapters::tower::Connector;
//! use unix_transport::{Address, ConnectOptions, Epoll, Runtime};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut runtime = Runtime::<Epoll>::new(&Default::default())?;
//! let daemon = Address::path("/run/docker.sock")?;
//! let connector = Connector::new(runtime.transport().clone(), daemon, ConnectOptions::new());
//! let client = Client::builder(HyperHandle::new(runtime.handle()))
//!     .build::<_, Empty<Bytes>>(connector);
//! let version = runtime.block_on(client.get("http://docker/version".parse()?))?;
//! println!("{}", version.status());
//! # Ok(()) }
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{self, Connected};
use tower_service::Service;
use transport_core::{Address, ConnectOptions, Connection, Error, Transport};

use crate::adapters::{Io, Peer};

/// Connects HTTP clients to one address, whatever the URI says: for hyper-util's pooled client and
/// for tonic's `connect_with_connector`. The URI's host still goes into the `Host` header.
///
/// Cheap to clone. It connects as [`Transport::connect`] does, so it waits while the server's
/// backlog is full, as long as the options allow, and its errors name the operation, the address
/// and the cause.
#[derive(Clone, Debug)]
pub struct Connector<T> {
    transport: T,
    target: Arc<(Address, ConnectOptions)>,
}

impl<T: Transport> Connector<T> {
    /// Connects to `address` with `options`.
    #[must_use]
    pub fn new(transport: T, address: Address, options: ConnectOptions) -> Connector<T> {
        Connector { transport, target: Arc::new((address, options)) }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.target.0
    }
}

impl<T: Transport> Service<Uri> for Connector<T> {
    type Response = Io<T::Connection>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Connector { transport, target } = self.clone();
        Box::pin(async move { transport.connect(&target.0, &target.1).await.map(Io::new) })
    }
}

/// Callers find the server in `response.extensions().get::<Peer>()`.
impl<C: Connection> connect::Connection for Io<C> {
    fn connected(&self) -> Connected {
        Connected::new().extra(Peer::of(&self.inner))
    }
}
