//! Accepting and connecting, each with a peer of the standard library, which is not counted.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use unix_transport::{
    Address, Backend, ConnectOptions, ListenOptions, Listener, Runtime, Settings, Transport,
    blocking,
};

use crate::valgrind::counted;

pub(super) const ACCEPT: &str = "accept, close";
pub(super) const CONNECT: &str = "connect, close";
pub(super) const MEETINGS: u32 = BATCH * BATCHES;

/// How many are accepted or connected in a row; fewer than the backlog.
const BATCH: u32 = 100;
const BATCHES: u32 = 10;

pub(super) fn accept<B: Backend>() -> io::Result<()> {
    let mut runtime = Runtime::<B>::new(&Settings::default())?;
    let mut listener = runtime.transport().listen(&address()?, &ListenOptions::new())?;
    let mut batch = || {
        runtime.block_on(async {
            for _ in 0..BATCH {
                drop(listener.accept().await?);
            }
            io::Result::Ok(())
        })
    };
    knock()?;
    batch()?;
    for _ in 0..BATCHES {
        knock()?;
        counted(&mut batch)?;
    }
    Ok(())
}

pub(super) fn accept_synchronously() -> io::Result<()> {
    let listener = blocking::listen(&address()?, &ListenOptions::new())?;
    let batch = || {
        for _ in 0..BATCH {
            drop(listener.accept()?);
        }
        io::Result::Ok(())
    };
    knock()?;
    batch()?;
    for _ in 0..BATCHES {
        knock()?;
        counted(batch)?;
    }
    Ok(())
}

pub(super) fn connect<B: Backend>() -> io::Result<()> {
    let mut runtime = Runtime::<B>::new(&Settings::default())?;
    let (host, address) = (UnixListener::bind_addr(&name()?)?, address()?);
    let transport = runtime.transport().clone();
    let mut batch = || {
        runtime.block_on(async {
            for _ in 0..BATCH {
                drop(transport.connect(&address, &ConnectOptions::new()).await?);
            }
            io::Result::Ok(())
        })
    };
    batch()?;
    open(&host)?;
    for _ in 0..BATCHES {
        counted(&mut batch)?;
        open(&host)?;
    }
    Ok(())
}

pub(super) fn connect_synchronously() -> io::Result<()> {
    let (host, address) = (UnixListener::bind_addr(&name()?)?, address()?);
    let batch = || {
        for _ in 0..BATCH {
            drop(blocking::connect(&address, &ConnectOptions::new())?);
        }
        io::Result::Ok(())
    };
    batch()?;
    open(&host)?;
    for _ in 0..BATCHES {
        counted(batch)?;
        open(&host)?;
    }
    Ok(())
}

/// Leaves a batch of clients to be accepted.
fn knock() -> io::Result<()> {
    let name = name()?;
    (0..BATCH).try_for_each(|_| UnixStream::connect_addr(&name).map(drop))
}

/// Takes the clients of a batch.
fn open(host: &UnixListener) -> io::Result<()> {
    (0..BATCH).try_for_each(|_| host.accept().map(drop))
}

fn address() -> io::Result<Address> {
    let address = Address::abstract_name(format!("\0{}", text()));
    address.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn name() -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(text())
}

/// An abstract name: of the same length in every process, so that it costs the same.
fn text() -> String {
    format!("unix-transport-instructions-{:010}", std::process::id())
}
