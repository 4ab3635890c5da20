//! Who the peer is: cases 127 to 130 (rule K1).
//!
//! The peers are processes of their own, so that their ids differ from the library's; where the
//! case runs as root, they are also another user. They meet on abstract names, which need no right
//! to the case's directory.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use transport_core::{
    ConnectOptions, Connection, ListenOptions, Listener, PeerCredentials, Transport,
};

use crate::case::{Case, Outcome, cases};
use crate::context::Context;
use crate::fixture::{ConnectionOf, Fixture, TransportOf};
use crate::{host, oracle};

pub(super) fn cases<F: Fixture>() -> Vec<Case<F>> {
    cases![F;
        127 credentials_in_both_directions,
        128 listen_time_credentials,
        129 pidfd_of_a_dead_peer,
        130 credentials_after_the_peer_closed,
    ]
}

fn credentials_in_both_directions<F: Fixture>(cx: &mut Context<F>) {
    if let Some(role) = cx.role() {
        host::become_unprivileged();
        return play(cx, &role);
    }
    cx.run(async |transport| {
        let (connection, client) = accept_from_process(cx, &transport).await;
        let credentials = connection.peer_credentials().expect("the kernel knows");
        assert_eq!(credentials, of_unprivileged(&client), "the accepting side sees the client");
        drop(connection);
        ends_well(client);

        let server = start(cx, SERVER);
        let to = cx.abstract_address(SERVER);
        let connecting = transport.connect(&to, &ConnectOptions::new()).await;
        let connection = connecting.expect("the server listens");
        let credentials = connection.peer_credentials().expect("the kernel knows");
        assert_eq!(credentials, of_unprivileged(&server), "the client sees the server");
        drop(connection);
        ends_well(server);
    });
}

fn listen_time_credentials<F: Fixture>(cx: &mut Context<F>) {
    if let Some(role) = cx.role() {
        return play(cx, &role);
    }
    cx.run(async |transport| {
        // This process listens, another one accepts.
        let listener = oracle::listen(&cx.abstract_address("theirs"));
        let mut command = cx.role_command(ACCEPTOR);
        command.stdin(Stdio::from(OwnedFd::from(listener)));
        let acceptor = command.spawn().expect("the case can start itself again");
        let to = cx.abstract_address("theirs");
        let connecting = transport.connect(&to, &ConnectOptions::new()).await;
        let connection = connecting.expect("the server listens");
        let pid = connection.peer_credentials().expect("the kernel knows").pid;
        assert_eq!(pid, Some(std::process::id()), "who listened counts, not who accepts");
        drop(connection);
        ends_well(acceptor);

        // A server that gives its rights up after it began to listen.
        let server = start(cx, SERVER_THAT_CHANGES);
        let to = cx.abstract_address(SERVER_THAT_CHANGES);
        let connecting = transport.connect(&to, &ConnectOptions::new()).await;
        let connection = connecting.expect("the server listens");
        let credentials = connection.peer_credentials().expect("the kernel knows");
        let at_listen = PeerCredentials { pid: Some(server.id()), ..this_user() };
        assert_eq!(credentials, at_listen, "who the server was when it began to listen");
        drop(connection);
        ends_well(server);

        // The library's own listener shows this process, as the client itself checks.
        let (connection, client) = accept_from_process(cx, &transport).await;
        drop(connection);
        ends_well(client);
    });
}

fn pidfd_of_a_dead_peer<F: Fixture>(cx: &mut Context<F>) -> Outcome {
    if let Some(role) = cx.role() {
        play(cx, &role);
        return Outcome::Pass;
    }
    cx.run(async |transport| {
        let (connection, mut client) = accept_from_process(cx, &transport).await;
        let pidfd = match connection.peer_pidfd() {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                drop(connection);
                ends_well(client);
                return Outcome::skip("a peer's pidfd needs Linux 6.5");
            }
            pidfd => pidfd.expect("the client lives"),
        };
        assert_eq!(process_of(&pidfd), i64::from(client.id()), "the pidfd is the client's");
        let flags = fcntl(&pidfd, FcntlArg::F_GETFD).expect("it is open");
        assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC), "never inherited");
        assert!(!has_ended(&pidfd, PollTimeout::ZERO), "a pidfd is silent while its process lives");

        client.kill().expect("the client is ours");
        client.wait().expect("the client is ours");
        let patience = PollTimeout::from(5000_u16);
        assert!(has_ended(&pidfd, patience), "a pidfd tells the end of its process");
        // Its number may belong to somebody else by now; the answer must never be theirs.
        match connection.peer_pidfd() {
            Ok(late) => assert_eq!(process_of(&late), -1, "a late pidfd is of a dead process"),
            Err(error) => assert!(
                matches!(error.raw_os_error(), Some(libc::ESRCH | libc::EINVAL | libc::ENODATA)),
                "a process that is gone has no pidfd: {error}"
            ),
        }
        Outcome::Pass
    })
}

fn credentials_after_the_peer_closed<F: Fixture>(cx: &mut Context<F>) {
    if let Some(role) = cx.role() {
        return play(cx, &role);
    }
    cx.run(async |transport| {
        let (connection, mut client) = accept_from_process(cx, &transport).await;
        let before = connection.peer_credentials().expect("the kernel knows");
        client.kill().expect("the client is ours");
        client.wait().expect("the client is ours");
        let after = connection.peer_credentials().expect("the kernel remembers");
        assert_eq!(after, before, "credentials outlive the peer");
        assert_eq!(after.pid, Some(client.id()));
    });
}

/// A plain client; it checks who listens.
const CLIENT: &str = "client";
/// A plain server.
const SERVER: &str = "server";
/// A plain server that becomes another user after it began to listen, if it can.
const SERVER_THAT_CHANGES: &str = "server that changes";
/// A process that accepts from the listener that it inherited.
const ACCEPTOR: &str = "acceptor";

/// The peer's process: connects or accepts, and stays until the library closes the connection.
fn play<F: Fixture>(cx: &Context<F>, role: &str) {
    let mut stream = match role {
        CLIENT => connect_and_check(cx),
        ACCEPTOR => {
            let inherited = std::io::stdin().as_fd().try_clone_to_owned();
            accept_one(&UnixListener::from(inherited.expect("the listener was inherited")))
        }
        server => {
            let listener = oracle::listen(&cx.abstract_address(server));
            if server == SERVER_THAT_CHANGES {
                host::become_unprivileged();
            }
            announce();
            accept_one(&listener)
        }
    };
    let end = stream.read(&mut [0]).expect("a clean end");
    assert_eq!(end, 0, "the library closes the connection");
}

fn connect_and_check<F: Fixture>(cx: &Context<F>) -> UnixStream {
    let stream = oracle::connect(&cx.abstract_address(CLIENT)).expect("the library listens");
    let server = getsockopt(&stream, sockopt::PeerCredentials).expect("the kernel knows");
    let parent = i32::try_from(std::os::unix::process::parent_id()).expect("a pid_t");
    assert_eq!(server.pid(), parent, "the library's listener shows the process that listens");
    stream
}

fn accept_one(listener: &UnixListener) -> UnixStream {
    listener.accept().expect("the library connects").0
}

/// Tells the parent that this server listens.
fn announce() {
    let mut output = std::io::stdout();
    output.write_all(b"!").and_then(|()| output.flush()).expect("the parent reads");
}

/// Starts a server, and waits until it listens.
fn start<F: Fixture>(cx: &Context<F>, server: &str) -> Child {
    let command = cx.role_command(server).stdout(Stdio::piped()).spawn();
    let mut server = command.expect("the case can start itself again");
    let output = server.stdout.as_mut().expect("it is a pipe");
    output.read_exact(&mut [0]).expect("the server says that it listens");
    server
}

/// Starts a client, and accepts it with the library.
async fn accept_from_process<F: Fixture>(
    cx: &Context<F>,
    transport: &TransportOf<F>,
) -> (ConnectionOf<F>, Child) {
    let at = cx.abstract_address(CLIENT);
    let mut listener = transport.listen(&at, &ListenOptions::new()).expect("the name is free");
    let client = cx.role_command(CLIENT).spawn().expect("the case can start itself again");
    let (connection, _) = listener.accept().await.expect("the client comes");
    (connection, client)
}

fn ends_well(mut process: Child) {
    let status = process.wait().expect("the process is ours");
    assert!(status.success(), "the peer's own checks hold: {status}");
}

/// The credentials of a peer that gave its rights up before it connected or listened.
fn of_unprivileged(process: &Child) -> PeerCredentials {
    let pid = Some(process.id());
    match host::is_root() {
        true => PeerCredentials { pid, uid: host::NOBODY, gid: host::NOBODY },
        false => PeerCredentials { pid, ..this_user() },
    }
}

fn this_user() -> PeerCredentials {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    PeerCredentials { pid: None, uid, gid }
}

/// Which process a pidfd is of, as `/proc` shows it: -1 once it is reaped.
fn process_of(pidfd: &OwnedFd) -> i64 {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()));
    let info = info.expect("the descriptor is open");
    let process = info.lines().find_map(|line| line.strip_prefix("Pid:"));
    process.expect("it is a pidfd").trim().parse().expect("a process id is a number")
}

fn has_ended(pidfd: &OwnedFd, patience: PollTimeout) -> bool {
    let mut waited = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut waited, patience).expect("a pidfd can be waited for") == 1
}
