//! How a connection under test comes about: accepted by the library or made by it, with a plain
//! socket of the standard library on the other side.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use transport_core::{Cleanup, ConnectOptions, Descriptors, ListenOptions, Listener, Transport};

use crate::context::Context;
use crate::fixture::{ConnectionOf, Fixture, TransportOf};
use crate::oracle;

/// How long a plain peer waits for bytes before it fails the case with an error.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which side the library plays.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// It accepted the connection.
    Server,
    /// It made the connection.
    Client,
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::Server, Side::Client];

    /// A connection of the library, and the plain socket at its other end.
    pub(super) async fn meet<F: Fixture>(
        self,
        cx: &Context<F>,
        transport: &TransportOf<F>,
    ) -> (ConnectionOf<F>, UnixStream) {
        self.meet_with_descriptors(cx, transport, Descriptors::Refuse).await
    }

    /// As [`meet`](Self::meet), where the plain peer may send descriptors.
    pub(super) async fn meet_with_descriptors<F: Fixture>(
        self,
        cx: &Context<F>,
        transport: &TransportOf<F>,
        descriptors: Descriptors,
    ) -> (ConnectionOf<F>, UnixStream) {
        let address = cx.address("meeting");
        let (connection, peer) = match self {
            Side::Server => {
                let options =
                    ListenOptions::new().cleanup(Cleanup::Remove).descriptors(descriptors);
                let mut listener = transport.listen(&address, &options).expect("the path is free");
                let peer = oracle::connect(&address).expect("the backlog has room");
                let (connection, _) = listener.accept().await.expect("a client waits");
                (connection, peer)
            }
            Side::Client => {
                let listener = oracle::listen(&address);
                let options = ConnectOptions::new().descriptors(descriptors);
                let connection =
                    transport.connect(&address, &options).await.expect("a server listens");
                let (peer, _) = listener.accept().expect("a client waits");
                std::fs::remove_file(cx.path("meeting")).expect("the oracle's file is there");
                (connection, peer)
            }
        };
        peer.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
        peer.set_write_timeout(Some(PATIENCE)).expect("a limit can be set");
        (connection, peer)
    }
}

/// Runs `body` twice in one runtime: on a connection that the library accepted, and on one that it
/// made.
pub(super) fn on_both_sides<F: Fixture>(
    cx: &Context<F>,
    body: impl AsyncFn(ConnectionOf<F>, UnixStream),
) {
    cx.run(async |transport| {
        for side in Side::BOTH {
            let (connection, peer) = side.meet(cx, &transport).await;
            body(connection, peer).await;
        }
    });
}
