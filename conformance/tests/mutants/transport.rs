//! The backend `epoll` with one mistake: its transport and its listener.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::task::{Context, Poll};
use std::time::Instant;

use backend_epoll::Epoll;
use transport_core::{
    Address, AdoptOptions, Availability, Backend, Closer, ConnectOptions, ListenOptions, Listener,
    PeerAddress, Result, Settings, Transport,
};

use crate::connection::MutatedConnection;
use crate::faults::Mutation;

type Inner = <Epoll as Backend>::Transport;
type InnerListener = <Inner as Transport>::Listener;

/// The backend with the mistake `M`; also its transport.
pub(crate) struct Mutated<M> {
    inner: Inner,
    mutation: PhantomData<M>,
}

impl<M: Mutation> Backend for Mutated<M> {
    const NAME: &'static str = M::NAME;
    type Transport = Mutated<M>;
    type Driver = <Epoll as Backend>::Driver;

    fn probe() -> Availability {
        Epoll::probe()
    }

    fn open(settings: &Settings) -> Result<(Mutated<M>, Self::Driver)> {
        let (inner, driver) = Epoll::open(settings)?;
        Ok((Mutated { inner, mutation: PhantomData }, driver))
    }
}

impl<M> Clone for Mutated<M> {
    fn clone(&self) -> Mutated<M> {
        Mutated { inner: self.inner.clone(), mutation: PhantomData }
    }
}

impl<M: Mutation> Transport for Mutated<M> {
    type Listener = MutatedListener<M>;
    type Connection = MutatedConnection<M>;

    fn listen(&self, at: &Address, options: &ListenOptions) -> Result<MutatedListener<M>> {
        self.inner.listen(&mutated_address::<M>(at), options).map(MutatedListener::new)
    }

    fn share_listener(&self, of: &MutatedListener<M>) -> Result<MutatedListener<M>> {
        self.inner.share_listener(&of.inner).map(MutatedListener::new)
    }

    async fn connect(
        &self,
        to: &Address,
        options: &ConnectOptions,
    ) -> Result<MutatedConnection<M>> {
        let connected = self.inner.connect(&mutated_address::<M>(to), options).await;
        if connected.is_err()
            && M::FAULTS.leaks_descriptors
            && let Ok(file) = File::open("/dev/null")
        {
            // Stands for the socket, which core closes in any case. Nobody closes this one.
            _ = file.into_raw_fd();
        }
        connected.map(MutatedConnection::new)
    }

    fn adopt_listener(&self, fd: OwnedFd, options: &AdoptOptions) -> Result<MutatedListener<M>> {
        self.inner.adopt_listener(fd, options).map(MutatedListener::new)
    }

    fn adopt_connection(
        &self,
        fd: OwnedFd,
        options: &AdoptOptions,
    ) -> Result<MutatedConnection<M>> {
        self.inner.adopt_connection(fd, options).map(MutatedConnection::new)
    }

    fn pair(&self, options: &AdoptOptions) -> Result<(MutatedConnection<M>, MutatedConnection<M>)> {
        let (one, other) = self.inner.pair(options)?;
        Ok((MutatedConnection::new(one), MutatedConnection::new(other)))
    }
}

fn mutated_address<M: Mutation>(address: &Address) -> Address {
    match address {
        Address::Path(path) if M::FAULTS.truncates_paths && path.as_bytes().len() == 108 => {
            let cut = OsStr::from_bytes(&path.as_bytes()[..107]);
            Address::path(cut).expect("a legal path is legal without its last byte")
        }
        _ => address.clone(),
    }
}

/// A listener whose connections have the mistake `M`.
pub(crate) struct MutatedListener<M> {
    inner: InnerListener,
    mutation: PhantomData<M>,
}

impl<M> MutatedListener<M> {
    fn new(inner: InnerListener) -> MutatedListener<M> {
        MutatedListener { inner, mutation: PhantomData }
    }
}

impl<M: Mutation> Listener for MutatedListener<M> {
    type Connection = MutatedConnection<M>;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(MutatedConnection<M>, PeerAddress)>> {
        let accepted = self.inner.poll_accept(cx);
        accepted.map_ok(|(connection, from)| (MutatedConnection::new(connection), from))
    }

    fn poll_acceptable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_acceptable(cx)
    }

    fn set_accept_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_accept_deadline(deadline);
    }

    fn local_address(&self) -> &Address {
        self.inner.local_address()
    }

    fn closer(&self) -> Closer {
        self.inner.closer()
    }
}
