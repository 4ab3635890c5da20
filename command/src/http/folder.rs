//! The folder that is served, and nothing outside it.
//!
//! Every name is looked up by `openat2(2)` with `RESOLVE_BENEATH`: whatever the name is, and
//! whoever changes the folder meanwhile, the kernel itself refuses what would leave it, by `..`, by
//! an absolute path or by a symbolic link. Links that stay inside are followed.

use std::fs::{self, Metadata};
use std::future::{Ready, ready};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::task::spawn_blocking;
use tower_http::services::fs::{Backend, File};

/// A folder, open.
#[derive(Clone)]
pub(super) struct Folder {
    root: Arc<fs::File>,
}

impl Folder {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR; EACCES if it can't be read or nothing in it can be looked up; ENOSYS before
    /// Linux 5.6.
    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        let directory = OFlag::O_DIRECTORY.bits();
        let root = fs::File::options().read(true).custom_flags(directory).open(path)?;
        let folder = Folder { root: Arc::new(root) };
        folder.look_up(Path::new("."), OFlag::O_PATH)?;
        Ok(folder)
    }

    /// A file or a folder beneath the root. What else there may be (a pipe, a device) is not
    /// found. Blocks for as long as the file system does.
    fn look_up(&self, path: &Path, flags: OFlag) -> io::Result<(fs::File, Metadata)> {
        let flags = flags | OFlag::O_CLOEXEC;
        let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH);
        let file: fs::File = match openat2(&self.root, path, how) {
            // It leaves the folder; it is a circle of links; no file has such a name; a socket.
            Err(Errno::EXDEV | Errno::ELOOP | Errno::ENAMETOOLONG | Errno::ENXIO) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            opened => opened?.into(),
        };
        let metadata = file.metadata()?;
        match metadata.is_file() || metadata.is_dir() {
            true => Ok((file, metadata)),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Looks up in a thread of the pool.
impl Backend for Folder {
    type File = Opened;
    type Metadata = Metadata;
    type OpenFuture = Looking<Opened>;
    type MetadataFuture = Looking<Metadata>;

    fn open(&self, path: PathBuf) -> Looking<Opened> {
        let folder = self.clone();
        Box::pin(async move {
            // Opening a pipe would wait for its other end.
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
            let opened = spawn_blocking(move || folder.look_up(&path, flags));
            let (file, metadata) = opened.await??;
            Ok(Opened { file: file.into(), metadata })
        })
    }

    fn metadata(&self, path: PathBuf) -> Looking<Metadata> {
        let folder = self.clone();
        Box::pin(async move {
            let found = spawn_blocking(move || folder.look_up(&path, OFlag::O_PATH));
            Ok(found.await??.1)
        })
    }
}

type Looking<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// A file of the folder.
pub(super) struct Opened {
    file: tokio::fs::File,
    metadata: Metadata,
}

impl File for Opened {
    type Metadata = Metadata;
    type MetadataFuture<'a> = Ready<io::Result<Metadata>>;

    fn metadata(&self) -> Ready<io::Result<Metadata>> {
        ready(Ok(self.metadata.clone()))
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, buf)
    }
}

impl AsyncSeek for Opened {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(cx)
    }
}
