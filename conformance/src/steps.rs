//! Steps that many cases share: serve once, dial once, fail in an expected way.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use transport_core::{Address, ConnectOptions, Error, ListenOptions, Listener, Transport};

use crate::context::Context;
use crate::fixture::Fixture;
use crate::oracle;

impl<F: Fixture> Context<F> {
    /// The backend listens at `address`, the oracle connects, and both talk.
    ///
    /// # Panics
    /// If any of that fails.
    pub fn serves(&self, address: &Address) {
        self.run(async |transport| {
            let mut listener = transport
                .listen(address, &ListenOptions::new())
                .unwrap_or_else(|error| panic!("the backend must listen: {error}"));
            let mut client = oracle::connect(address)
                .unwrap_or_else(|error| panic!("the oracle must reach {address}: {error}"));
            let (mut server, _) = listener.accept().await.expect("a client waits");
            oracle::exchange(&mut server, &mut client).await;
        });
    }

    /// The oracle listens at `address`, the backend connects, and both talk.
    ///
    /// # Panics
    /// If any of that fails.
    pub fn dials(&self, address: &Address) {
        let listener = oracle::listen(address);
        self.run(async |transport| {
            let mut client = transport
                .connect(address, &ConnectOptions::new())
                .await
                .unwrap_or_else(|error| panic!("the backend must connect: {error}"));
            let (mut server, _) = listener.accept().expect("the backend waits in the queue");
            oracle::exchange(&mut client, &mut server).await;
        });
    }

    /// How connecting to `address` fails.
    ///
    /// # Panics
    /// If it does not fail.
    #[must_use]
    pub fn connect_error(&self, address: &Address) -> Error {
        self.run(async |transport| {
            let connected = transport.connect(address, &ConnectOptions::new()).await;
            connected.err().unwrap_or_else(|| panic!("connecting to {address} must fail"))
        })
    }

    /// How listening at `address` fails.
    ///
    /// # Panics
    /// If it does not fail.
    #[must_use]
    pub fn listen_error(&self, address: &Address, options: &ListenOptions) -> Error {
        self.run(async |transport| {
            let listening = transport.listen(address, options);
            listening.err().unwrap_or_else(|| panic!("listening at {address} must fail"))
        })
    }

    /// The names of what is in the directory, sorted.
    ///
    /// # Panics
    /// If the directory can't be read.
    #[must_use]
    pub fn files(&self) -> Vec<std::ffi::OsString> {
        let entries = std::fs::read_dir(self.directory()).expect("the directory is the case's own");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("it can be read").file_name()).collect();
        names.sort();
        names
    }
}

/// Whether a socket file is at `path` itself; a symbolic link to one does not count.
#[must_use]
pub fn is_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}
