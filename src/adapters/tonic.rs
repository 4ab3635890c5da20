//! [`Io`] as tonic's `Connected`: [`Incoming`](super::incoming::Incoming) is what
//! `serve_with_incoming` takes, and a closed listener ends the server.
//!
//! On a client's side `connect_with_connector` takes a [`Connector`](super::tower::Connector).
//! tonic spawns on tokio, so the driver is [embedded](crate::embed) there:
//!
#![cfg_attr(feature = "epoll", doc = "```")]
#![cfg_attr(not(feature = "epoll"), doc = "```ignore")]
//! use tonic::service::Routes;
//! use tonic::transport::{Endpoint, Server};
//! use unix_transport::adapters::incoming::Incoming;
//! use unix_transport::adapters::tower::Connector;
//! use unix_transport::embed::thread::DriverThread;
//! use unix_transport::{Address, Backend, Epoll, Listener, Transport};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (transport, driver) = Epoll::open(&Default::default())?;
//! let _driver = DriverThread::start(driver)?;
//! # let directory = tempfile::tempdir()?;
//! # let address = Address::path(directory.path().join("grpc"))?;
//! # /*
//! let address = Address::path("/run/user/1000/grpc")?;
//! # */
//! let listener = transport.listen(&address, &Default::default())?;
//! let closer = listener.closer();
//! let services = Routes::default(); // those that tonic's code generator made
//! let server = Server::builder().add_routes(services);
//! let server = tokio::spawn(server.serve_with_incoming(Incoming::new(listener)));
//!
//! let connector = Connector::new(transport, address, Default::default());
//! let channel = Endpoint::from_static("http://grpc").connect_with_connector(connector).await?;
//! # drop(channel);
//!
//! closer.close();
//! server.await??;
//! # Ok(()) }
//! ```

use tonic::transport::server::Connected;
use transport_core::Connection;

use crate::adapters::{Io, Peer};

/// Handlers find the peer in `request.extensions().get::<Peer>()`.
impl<C: Connection> Connected for Io<C> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer::of(&self.inner)
    }
}
