//! Binding an address, with its file and its mode: nothing is left behind by a bind that fails.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::stat::{self, Mode as Permissions};

use crate::address::{Address, wire::WireAddress};
use crate::descriptors;
use crate::error::{Cause, Error, Result};
use crate::options::{Cleanup, ListenOptions};
use crate::socket::file::{SocketFile, check_parent};
use crate::socket::{Mode, stream};

const DEFAULT_MODE: u32 = 0o600;

/// A listening socket, and the file that it made, if it did.
pub(super) struct Bound {
    pub(super) fd: OwnedFd,
    pub(super) file: Option<SocketFile>,
}

/// Binds and listens (rules B1, B3 to B6).
pub(super) fn bind(at: &Address, options: &ListenOptions) -> Result<Bound> {
    let failed = |cause: Cause| Error::new("listen on", Some(at), cause);
    check_options(at, options).map_err(failed)?;
    let path = at.as_path();
    let mode = options.mode.unwrap_or(DEFAULT_MODE);
    let socket = stream(Mode::NonBlocking).map_err(|e| failed(e.into()))?;
    descriptors::apply(socket.as_fd(), options.descriptors).map_err(|e| failed(e.into()))?;
    if path.is_some() {
        // The file's mode comes from the socket's, so it is never wider than this.
        stat::fchmod(&socket, Permissions::from_bits_truncate(mode))
            .map_err(|e| failed(e.into()))?;
    }
    let bound = WireAddress::of(at).and_then(|wire| socket.bind(wire.as_sock_addr()));
    bound.map_err(|e| failed(e.into()))?;
    let file = match path {
        Some(path) => Some(SocketFile::bound(path, mode).map_err(|e| failed(e.into()))?),
        None => None,
    };
    if let Err(e) = listen(&socket, options.backlog) {
        file.iter().for_each(SocketFile::remove);
        return Err(failed(e.into()));
    }
    Ok(Bound { fd: socket.into(), file })
}

/// The kernel takes a signed number and clamps it to its own maximum.
fn listen(socket: &socket2::Socket, backlog: u32) -> io::Result<()> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}

fn check_options(at: &Address, options: &ListenOptions) -> Result<(), Cause> {
    match at {
        Address::Path(path) if options.check_parent => check_parent(path.parent()),
        Address::Path(_) => Ok(()),
        Address::Unnamed => Err(Cause::NotForAddress("nothing can listen on the unnamed address")),
        Address::Abstract(_) if options.mode.is_some() => {
            Err(Cause::NotForAddress("an abstract name has no mode"))
        }
        Address::Abstract(_) if options.cleanup == Cleanup::Remove || options.check_parent => {
            Err(Cause::NotForAddress("an abstract name has no file"))
        }
        Address::Abstract(_) => Ok(()),
    }
}
