//! Routers of axum on any listener: [`AxumListener`] for `axum::serve`, inside tokio, and
//! [`serve_router`] for our own [`Runtime`](crate::Runtime), without tokio.
//!
//! Handlers learn who the client is from `ConnectInfo<Peer>`, where [`Peer`](crate::adapters::Peer)
//! has the address and the kernel's word on process and user:
//!
//! ```no_run
//! use axum::Router;
//! use axum::extract::ConnectInfo;
//! use axum::routing::get;
//! use unix_transport::adapters::Peer;
//! use unix_transport::adapters::axum::AxumListener;
//! use unix_transport::embed::thread::DriverThread;
//! use unix_transport::{Auto, Backend, Transport};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let who = async |ConnectInfo(peer): ConnectInfo<Peer>| format!("{:?}", peer.credentials);
//! let router = Router::new().route("/", get(who));
//! let (transport, driver) = Auto::open(&Default::default())?;
//! let _driver = DriverThread::start(driver)?;
//! let listener = transport.listen(&"/run/app.sock".parse()?, &Default::default())?;
//! let service = router.into_make_service_with_connect_info::<Peer>();
//! axum::serve(AxumListener::new(listener), service).await?;
//! # Ok(()) }
//! ```
//!
//! There the driver has a thread of its own, which works with every backend; epoll and io_uring
//! can be [nested](crate::embed) in tokio instead.

mod listener;
mod router;

pub use listener::AxumListener;
pub use router::serve_router;
