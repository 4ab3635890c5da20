//! What a handler is told of its client.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use nix::unistd::{getegid, geteuid};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::server::{Client, Server};

/// The process and user are this one's, and the address is what the client bound.
pub(crate) fn the_peer_is_this_process(server: &mut Server) {
    let credentials = format!("{} {} {}", std::process::id(), geteuid(), getegid());
    assert_eq!(server.get("/who"), format!("{credentials} (unnamed)"));

    let name = server.directory().join("client");
    let bound = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    bound.bind(&SockAddr::unix(&name).expect("short")).expect("a new name");
    bound.connect(&SockAddr::unix(server.path()).expect("short")).expect("it listens");
    let mut client = Client::new(UnixStream::from(OwnedFd::from(bound)));
    client.ask("/who");
    assert_eq!(client.answer(), format!("{credentials} {}", name.display()));
}
