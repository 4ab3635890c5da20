//! Addresses as the kernel wants and gives them: a `sockaddr_un` and its exact length.
//!
//! Built and decoded by hand, because the libraries stop at 107 bytes (rule A3).
#![expect(unsafe_code, reason = "fills and reads the C structure that holds an address")]

use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use socket2::{SockAddr, SockAddrStorage};

use crate::address::{Address, PeerAddress, SocketPath};

/// `/proc/self/fd/N/`, with room for the largest descriptor number.
pub(super) const LONGEST_PROC_PREFIX: usize = "/proc/self/fd/2147483647/".len();

const PATH_OFFSET: usize = offset_of!(libc::sockaddr_un, sun_path);

/// An address ready for `bind(2)` or `connect(2)`.
pub(crate) struct WireAddress {
    address: SockAddr,
    /// The directory that a long path is reached through, open as long as the address is used.
    _parent: Option<File>,
}

impl WireAddress {
    /// # Errors
    /// Only for a long path, whose parent directory is opened here; and for the unnamed address,
    /// which is never sent to the kernel (rule A6).
    pub(crate) fn of(address: &Address) -> io::Result<WireAddress> {
        match address {
            Address::Path(path) if path.is_long() => WireAddress::through_parent(path),
            Address::Path(path) => {
                Ok(WireAddress { address: encode(path.as_bytes(), true), _parent: None })
            }
            Address::Abstract(name) => {
                Ok(WireAddress { address: encode(name.as_bytes(), false), _parent: None })
            }
            Address::Unnamed => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    fn through_parent(path: &SocketPath) -> io::Result<WireAddress> {
        let parent = File::options()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(path.parent())?;
        let mut bytes = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
        bytes.extend_from_slice(path.file_name());
        Ok(WireAddress { address: encode(&bytes, true), _parent: Some(parent) })
    }

    pub(crate) fn as_sock_addr(&self) -> &SockAddr {
        &self.address
    }
}

/// A path that leaves room is followed by a NUL, which the length counts; a full one, and an
/// abstract name, is exactly as long as its bytes.
fn encode(bytes: &[u8], terminated: bool) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_un` is one of the structures that the storage is made to hold.
    let un = unsafe { storage.view_as::<libc::sockaddr_un>() };
    assert!(bytes.len() <= un.sun_path.len(), "an address that exists fits");
    un.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in un.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    let nul = usize::from(terminated && bytes.len() < un.sun_path.len());
    let length = (PATH_OFFSET + bytes.len() + nul) as libc::socklen_t;
    // SAFETY: the storage was zeroed, then filled up to `length` as a Unix address.
    unsafe { SockAddr::new(storage, length) }
}

/// What `getpeername(2)`, `getsockname(2)` or `accept(2)` answered. For a full path the kernel
/// appends a NUL and answers one byte more than the structure has.
pub(crate) fn decode(address: &SockAddr) -> PeerAddress {
    let length = (address.len() as usize).min(size_of::<SockAddrStorage>());
    // SAFETY: every `SockAddr` holds an initialised `SockAddrStorage`, and `length` is within it.
    let whole = unsafe { std::slice::from_raw_parts(address.as_ptr().cast::<u8>(), length) };
    let mut bytes = whole.get(PATH_OFFSET..).unwrap_or_default().to_vec();
    match bytes.first() {
        None => PeerAddress::Unnamed,
        Some(0) => PeerAddress::Abstract(bytes),
        Some(_) => {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            bytes.truncate(end);
            PeerAddress::Path(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_rule() {
        let short = Address::path("/x").expect("legal");
        assert_eq!(WireAddress::of(&short).expect("short").address.len(), 2 + 2 + 1);
        let full = Address::path(format!("/{}", "x".repeat(107))).expect("legal");
        assert_eq!(WireAddress::of(&full).expect("short").address.len(), 2 + 108);
        let name = Address::abstract_name(*b"\0a\0").expect("legal");
        let wire = WireAddress::of(&name).expect("short");
        assert_eq!(wire.address.len(), 2 + 3);
        assert_eq!(decode(&wire.address), PeerAddress::Abstract(b"\0a\0".to_vec()));
    }
}
