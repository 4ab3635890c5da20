//! What an address is: a filesystem path, an abstract name, or nothing.
//!
//! An [`Address`] that exists is legal: every rule about lengths and NUL bytes is checked when it
//! is made, before any system call, and the error carries the length and the limit. How an
//! address is written for people is in `text`, how the kernel wants it in `wire`.

mod error;
mod peer;
mod text;
pub(crate) mod wire;

pub use error::AddressError;
pub use peer::PeerAddress;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The longest address that the kernel takes, in bytes: 108 on Linux, 104 on BSD and macOS
/// (`unix(7)`, rule A2). For a path the terminating NUL is not counted; for an abstract name the
/// leading NUL is.
pub const LIMIT: usize = if cfg!(target_os = "linux") { 108 } else { 104 };

/// Where a socket listens or connects to (rules A1 to A6).
///
/// It is a type and not a guess about a string: `Address::path("@x")` is a file whose name begins
/// with `@`. For the form that people type, where `@x` is an abstract name, use
/// [`str::parse`] or [`Address::from_text`]; [`Display`](std::fmt::Display) writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket file.
    Path(SocketPath),
    /// A name in the network namespace's abstract space, without permissions. Linux only.
    Abstract(AbstractName),
    /// No name: what a socket has that was never bound, and both ends of a pair. Nothing can
    /// listen on it or connect to it; the kernel is never asked to choose a name (rule A6).
    Unnamed,
}

impl Address {
    /// The address of the socket file at `path`, made absolute against the current directory now,
    /// with repeated slashes collapsed; `.`, `..` and a trailing slash stay (rule A2).
    ///
    /// # Errors
    /// [`AddressError::Empty`], [`AddressError::Nul`], [`AddressError::TooLong`] beyond [`LIMIT`]
    /// bytes, and [`AddressError::CurrentDirectory`] where a relative path can't be completed.
    pub fn path(path: impl AsRef<Path>) -> Result<Address, AddressError> {
        let path = SocketPath::complete(path.as_ref())?;
        match path.is_long() {
            true => Err(AddressError::TooLong { length: path.as_bytes().len(), limit: LIMIT }),
            false => Ok(Address::Path(path)),
        }
    }

    /// Like [`Address::path`], but a path beyond [`LIMIT`] is reached through a descriptor of its
    /// parent directory and `/proc/self/fd` (rule A5). The file name alone must still leave room
    /// for that prefix. Needs `/proc`; Linux only.
    ///
    /// # Errors
    /// As [`Address::path`], where [`AddressError::TooLong`] now speaks of the file name.
    pub fn long_path(path: impl AsRef<Path>) -> Result<Address, AddressError> {
        let path = SocketPath::complete(path.as_ref())?;
        let name = path.file_name().len();
        let limit = LIMIT - wire::LONGEST_PROC_PREFIX;
        match path.is_long() && (name > limit || !cfg!(target_os = "linux")) {
            true => Err(AddressError::TooLong { length: name, limit }),
            false => Ok(Address::Path(path)),
        }
    }

    /// The abstract name with these bytes, the leading NUL included: 1 to 108 bytes, and NUL bytes
    /// inside are significant (rule A4).
    ///
    /// # Errors
    /// [`AddressError::NoLeadingNul`], [`AddressError::TooLong`], and
    /// [`AddressError::AbstractUnsupported`] outside Linux.
    pub fn abstract_name(bytes: impl Into<Vec<u8>>) -> Result<Address, AddressError> {
        let bytes = bytes.into();
        if !cfg!(target_os = "linux") {
            return Err(AddressError::AbstractUnsupported);
        }
        if bytes.first() != Some(&0) {
            return Err(AddressError::NoLeadingNul);
        }
        if bytes.len() > LIMIT {
            return Err(AddressError::TooLong { length: bytes.len(), limit: LIMIT });
        }
        Ok(Address::Abstract(AbstractName { bytes }))
    }

    /// The path, if this is one.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Address::Path(path) => Some(path.as_path()),
            Address::Abstract(_) | Address::Unnamed => None,
        }
    }
}

/// A path that fits into an address: absolute, not empty, without NUL bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketPath {
    bytes: OsString,
}

impl SocketPath {
    fn complete(path: &Path) -> Result<SocketPath, AddressError> {
        let given = path.as_os_str().as_bytes();
        if given.is_empty() {
            return Err(AddressError::Empty);
        }
        if let Some(position) = given.iter().position(|&byte| byte == 0) {
            return Err(AddressError::Nul { position });
        }
        let mut bytes = Vec::new();
        if given[0] != b'/' {
            let directory = std::env::current_dir()
                .map_err(|e| AddressError::CurrentDirectory { errno: e.raw_os_error() })?;
            bytes.extend_from_slice(directory.as_os_str().as_bytes());
            bytes.push(b'/');
        }
        bytes.extend_from_slice(given);
        bytes.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
        Ok(SocketPath { bytes: OsString::from_vec(bytes) })
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.bytes)
    }

    /// The path's bytes, without a terminating NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_bytes()
    }

    /// Whether the path is beyond [`LIMIT`], and so is reached through its parent directory.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.bytes.len() > LIMIT
    }

    /// What stands before the last component: the directory that the socket file is in.
    #[must_use]
    pub fn parent(&self) -> &Path {
        let end = self.name_start();
        Path::new(OsStr::from_bytes(&self.as_bytes()[..end]))
    }

    /// The last component, with the trailing slash if one was given.
    pub(crate) fn file_name(&self) -> &[u8] {
        &self.as_bytes()[self.name_start()..]
    }

    fn name_start(&self) -> usize {
        let bytes = self.as_bytes();
        let without_trailing = bytes.len().saturating_sub(1);
        bytes[..without_trailing].iter().rposition(|&byte| byte == b'/').map_or(1, |at| at + 1)
    }
}

/// A name in the abstract space: 1 to 108 bytes, of which the first is NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AbstractName {
    bytes: Vec<u8>,
}

impl AbstractName {
    /// The name's bytes, the leading NUL included.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_collapse_and_dots_stay() {
        let address = Address::path("//a///b/./../c//").expect("legal");
        assert_eq!(address.as_path(), Some(Path::new("/a/b/./../c/")));
        assert_eq!(address.to_string(), "/a/b/./../c/");
    }

    #[test]
    fn the_limit_is_the_kernels() {
        let exactly = format!("/{}", "x".repeat(LIMIT - 1));
        assert!(Address::path(&exactly).is_ok());
        let beyond = format!("{exactly}x");
        let error = AddressError::TooLong { length: LIMIT + 1, limit: LIMIT };
        assert_eq!(Address::path(&beyond), Err(error));
    }

    #[test]
    fn parent_and_name_split_the_path() {
        let path = SocketPath::complete(Path::new("/run/app/x.sock")).expect("legal");
        assert_eq!(path.parent(), Path::new("/run/app/"));
        assert_eq!(path.file_name(), b"x.sock");
        let root = SocketPath::complete(Path::new("/x")).expect("legal");
        assert_eq!((root.parent(), root.file_name()), (Path::new("/"), &b"x"[..]));
    }
}
