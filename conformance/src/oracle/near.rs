//! Reaching addresses that the standard library can't express: paths of 108 bytes and more.
//!
//! It gets to the same file by another way, through a short name beside it, so the oracle does
//! not depend on how the library under test forms such an address.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use socket2::{SockAddr, Socket};
use transport_core::Address;

/// The short name.
const BESIDE: &str = "beside";

/// Binds under the short name if need be, and then renames.
pub(super) fn bind(socket: &Socket, address: &Address) -> io::Result<()> {
    if let Some(plain) = plain(address) {
        return socket.bind(&plain);
    }
    let far = FarPath::of(address)?;
    socket.bind(&SockAddr::unix(&far.beside)?)?;
    fs::rename(&far.beside, &far.itself)
}

/// Connects through a symbolic link of the short name if need be.
pub(super) fn connect(socket: &Socket, address: &Address) -> io::Result<()> {
    if let Some(plain) = plain(address) {
        return socket.connect(&plain);
    }
    let far = FarPath::of(address)?;
    symlink(far.itself.file_name().unwrap_or_default(), &far.beside)?;
    let connected = SockAddr::unix(&far.beside).and_then(|beside| socket.connect(&beside));
    fs::remove_file(&far.beside)?;
    connected
}

/// The address itself, if the standard library can express it.
fn plain(address: &Address) -> Option<SockAddr> {
    let path = match address {
        Address::Path(path) => path.as_path(),
        Address::Abstract(name) => Path::new(OsStr::from_bytes(name.as_bytes())),
        Address::Unnamed => panic!("the oracle has no business with the unnamed address"),
    };
    SockAddr::unix(path).ok()
}

/// A path that is too long, by way of a descriptor of its directory.
struct FarPath {
    itself: PathBuf,
    beside: PathBuf,
    _directory: File,
}

impl FarPath {
    fn of(address: &Address) -> io::Result<FarPath> {
        let path = address.as_path().expect("only paths are too long");
        let directory = File::options()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(path.parent().expect("an address is an absolute path"))?;
        let way = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
        let itself = way.join(path.file_name().expect("a long address ends in a file name"));
        Ok(FarPath { itself, beside: way.join(BESIDE), _directory: directory })
    }
}
