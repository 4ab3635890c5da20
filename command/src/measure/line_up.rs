//! The servers of a measurement: started together, alive together, ended together.

use std::process::Command;

use tempfile::TempDir;

use super::cores::Cores;
use super::interruption::Interruption;
use super::limits;
use super::server::Server;
use crate::failure::{Failure, Result};

/// Running servers in a private temporary directory. Dropping it kills them and removes it.
#[derive(Debug)]
pub struct LineUp {
    // Before the directory, whose sockets they use.
    servers: Vec<Server>,
    _directory: TempDir,
}

impl LineUp {
    /// Starts a server for each name and command, which gets the path to listen at as its last
    /// argument, on the servers' core. They may open as many files as the system allows. This
    /// thread is on the generators' core afterwards.
    ///
    /// # Errors
    /// Those of [`Server::start`], of the directory and of the cores; an interruption.
    pub fn start(
        entrants: impl IntoIterator<Item = (String, Command)>,
        cores: Cores,
        interruption: &Interruption,
    ) -> Result<LineUp> {
        limits::raise_open_files()?;
        let pinned = |error| Failure::new("move to a core", error);
        let directory = tempfile::Builder::new().prefix("unix-transport-").tempdir();
        let directory =
            directory.map_err(|error| Failure::new("make a temporary directory", error))?;
        cores.enter_servers().map_err(pinned)?;
        let mut servers = Vec::new();
        for (name, mut command) in entrants {
            let path = directory.path().join(&name);
            servers.push(Server::start(&name, &path, command.arg(&path))?);
            interruption.check()?;
        }
        cores.enter_generator().map_err(pinned)?;
        Ok(LineUp { servers, _directory: directory })
    }

    /// The servers, in the order in which they were started.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The servers, to load them.
    pub fn servers_mut(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// Asks all of them to stop, and waits until they have.
    ///
    /// # Errors
    /// Those of [`Server::stop`].
    pub fn stop(self) -> Result<()> {
        self.servers.into_iter().try_for_each(Server::stop)
    }
}
