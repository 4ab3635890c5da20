//! Transports, erased.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;

use crate::address::Address;
use crate::erased::{AnyConnection, AnyListener, DynListener};
use crate::error::{Cause, Error, Result};
use crate::options::{AdoptOptions, ConnectOptions, ListenOptions};
use crate::transport::{BytePath, Transport};

/// [`Transport`] as a trait object. Every transport implements it; nobody else need.
///
/// Errors are those of the methods of [`Transport`] that these are named after.
#[async_trait]
pub trait DynTransport: Send + Sync {
    /// [`Transport::listen`].
    fn listen_any(&self, at: &Address, options: &ListenOptions) -> Result<AnyListener>;

    /// [`Transport::share_listener`], if `of` is a listener of this transport's type.
    fn share_listener_any(&self, of: &dyn DynListener) -> Result<AnyListener>;

    /// [`Transport::connect`], in a box: next to connecting, its allocation is noise.
    async fn connect_any(&self, to: &Address, options: &ConnectOptions) -> Result<AnyConnection>;

    /// [`Transport::adopt_listener`].
    fn adopt_listener_any(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<AnyListener>;

    /// [`Transport::adopt_connection`].
    fn adopt_connection_any(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<AnyConnection>;

    /// [`Transport::cheaper_path`].
    fn cheaper_path_any(&self) -> BytePath;

    /// [`Transport::pair`].
    fn pair_any(&self, options: &AdoptOptions) -> Result<(AnyConnection, AnyConnection)>;
}

#[async_trait]
impl<T: Transport> DynTransport for T {
    fn listen_any(&self, at: &Address, options: &ListenOptions) -> Result<AnyListener> {
        self.listen(at, options).map(AnyListener::new)
    }

    fn share_listener_any(&self, of: &dyn DynListener) -> Result<AnyListener> {
        let Some(own) = of.as_any().downcast_ref() else {
            let address = of.local_address_any();
            return Err(Error::new("share the listener on", Some(address), Cause::OtherBackend));
        };
        self.share_listener(own).map(AnyListener::new)
    }

    async fn connect_any(&self, to: &Address, options: &ConnectOptions) -> Result<AnyConnection> {
        self.connect(to, options).await.map(AnyConnection::new)
    }

    fn adopt_listener_any(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<AnyListener> {
        self.adopt_listener(fd, options).map(AnyListener::new)
    }

    fn adopt_connection_any(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<AnyConnection> {
        self.adopt_connection(fd, options).map(AnyConnection::new)
    }

    fn cheaper_path_any(&self) -> BytePath {
        self.cheaper_path()
    }

    fn pair_any(&self, options: &AdoptOptions) -> Result<(AnyConnection, AnyConnection)> {
        let (one, other) = self.pair(options)?;
        Ok((AnyConnection::new(one), AnyConnection::new(other)))
    }
}

/// A transport of any backend, itself a [`Transport`]. Clones share the one that it was made of.
///
/// [Sharing](Transport::share_listener) a listener of another backend fails with
/// [`Cause::OtherBackend`].
#[derive(Clone)]
pub struct AnyTransport {
    inner: Arc<dyn DynTransport>,
}

impl AnyTransport {
    /// Erases the type of `transport`.
    #[must_use]
    pub fn new(transport: impl Transport) -> AnyTransport {
        AnyTransport { inner: Arc::new(transport) }
    }
}

impl Transport for AnyTransport {
    type Listener = AnyListener;
    type Connection = AnyConnection;

    fn listen(&self, at: &Address, options: &ListenOptions) -> Result<AnyListener> {
        self.inner.listen_any(at, options)
    }

    fn share_listener(&self, of: &AnyListener) -> Result<AnyListener> {
        self.inner.share_listener_any(&*of.inner)
    }

    async fn connect(&self, to: &Address, options: &ConnectOptions) -> Result<AnyConnection> {
        self.inner.connect_any(to, options).await
    }

    fn adopt_listener(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<AnyListener> {
        self.inner.adopt_listener_any(fd, options)
    }

    fn adopt_connection(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<AnyConnection> {
        self.inner.adopt_connection_any(fd, options)
    }

    fn cheaper_path(&self) -> BytePath {
        self.inner.cheaper_path_any()
    }

    fn pair(&self, options: &AdoptOptions) -> Result<(AnyConnection, AnyConnection)> {
        self.inner.pair_any(options)
    }
}

impl fmt::Debug for AnyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyTransport").finish_non_exhaustive()
    }
}
