//! Who is at the other end, as servers tell their handlers and clients their callers.

use transport_core::{Connection, PeerAddress, PeerCredentials};

/// Who is at the other end of a connection: what a handler finds among the extensions of a
/// request, and a client among those of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name that the peer gave itself; most clients have none. Bytes that it chose, so never
    /// to be trusted.
    pub address: PeerAddress,
    /// The process and the user, as the kernel says. `None` if it doesn't say, which a check must
    /// take for a stranger.
    pub credentials: Option<PeerCredentials>,
}

impl Peer {
    /// The peer of `connection`. Two system calls, which don't block.
    #[must_use]
    pub fn of(connection: &impl Connection) -> Peer {
        Peer {
            address: connection.peer_address().unwrap_or_default(),
            credentials: connection.peer_credentials().ok(),
        }
    }
}
