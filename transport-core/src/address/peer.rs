//! The name that a peer gave itself: bytes that it chose, so shown and compared, never trusted.

use std::fmt;

use crate::address::text::escape;

/// The address that the kernel reports for the other side (rule A7). Most clients have none.
///
/// The bytes are the peer's choice: they can imitate any name. Shown, they are escaped.
/// Nothing here converts into an [`Address`](crate::Address); identity comes from
/// [`PeerCredentials`](crate::PeerCredentials).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// The peer is not bound.
    #[default]
    Unnamed,
    /// The peer is bound to a file, by these bytes, perhaps relative to a directory of its own.
    Path(Vec<u8>),
    /// The peer is bound to an abstract name: these bytes, the leading NUL included.
    Abstract(Vec<u8>),
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Unnamed => f.write_str("(unnamed)"),
            PeerAddress::Path(bytes) => escape(bytes, f),
            PeerAddress::Abstract(bytes) => {
                f.write_str("@")?;
                escape(&bytes[1..], f)
            }
        }
    }
}
