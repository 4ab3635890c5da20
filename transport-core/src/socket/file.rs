//! The file of a socket: its mode, whose it is, and when it may be removed.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Cause;

/// A socket file that this process made: the path, and the identity to recognise it by.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// The file that was just bound at `path`, with its permission bits made exactly `mode`.
    /// The kernel made it with those that the umask left; missing ones are added here.
    pub(super) fn bound(path: &Path, mode: u32) -> io::Result<SocketFile> {
        let metadata = fs::symlink_metadata(path)?;
        let file = SocketFile { path: path.to_owned(), identity: identity(&metadata) };
        if metadata.mode() & 0o7777 != mode
            && let Err(e) = file.widen(mode)
        {
            file.remove();
            return Err(e);
        }
        Ok(file)
    }

    /// Sets the mode through a descriptor whose inode was checked, so that a file that took the
    /// path's place is never touched (rule B3).
    fn widen(&self, mode: u32) -> io::Result<()> {
        let held = File::options()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_NOFOLLOW)
            .open(&self.path)?;
        let metadata = held.metadata()?;
        if identity(&metadata) != self.identity || !metadata.file_type().is_socket() {
            return Err(io::Error::from_raw_os_error(libc::ESTALE));
        }
        let through = format!("/proc/self/fd/{}", held.as_raw_fd());
        fs::set_permissions(through, Permissions::from_mode(mode))
    }

    /// Removes the file if it is still the one that was made: to be called while the socket is
    /// open, because an inode number is only then certain not to be used again (rule B7).
    pub(super) fn remove(&self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|now| now.file_type().is_socket() && identity(&now) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket file stays");
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The check of rule B4: the directory is owned by this user or root, and others can't write into
/// it unless it is sticky.
pub(super) fn check_parent(directory: &Path) -> Result<(), Cause> {
    let metadata = fs::metadata(directory)?;
    let owner = metadata.uid();
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(Cause::UnsafeDirectory("the directory belongs to another user"));
    }
    let (writable_by_others, sticky) =
        (metadata.mode() & 0o022 != 0, metadata.mode() & 0o1000 != 0);
    match writable_by_others && !sticky {
        true => Err(Cause::UnsafeDirectory("others can write into the directory")),
        false => Ok(()),
    }
}
