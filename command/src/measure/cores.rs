//! Which core the servers run on and which the generator: never the same one, if there are two.

use std::fmt;
use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The cores of a measurement, out of those that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    pair: Option<(usize, usize)>,
}

impl Cores {
    /// The first allowed core for the servers and the second for the generator; with only one,
    /// nothing is pinned and both share it.
    ///
    /// # Errors
    /// Those of `sched_getaffinity(2)`.
    pub fn choose() -> io::Result<Cores> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = (0..CpuSet::count()).filter(|&core| allowed.is_set(core) == Ok(true));
        Ok(Cores { pair: cores.next().zip(cores.next()) })
    }

    /// Moves this thread, and with it every process that it starts from now on, to the servers'
    /// core.
    ///
    /// # Errors
    /// Those of `sched_setaffinity(2)`.
    pub fn enter_servers(self) -> io::Result<()> {
        self.pair.map_or(Ok(()), |(servers, _)| pin(servers))
    }

    /// Moves this thread to the generator's core.
    ///
    /// # Errors
    /// Those of `sched_setaffinity(2)`.
    pub fn enter_generator(self) -> io::Result<()> {
        self.pair.map_or(Ok(()), |(_, generator)| pin(generator))
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pair {
            Some((servers, generator)) => {
                write!(f, "servers on core {servers}, the load generator on core {generator}")
            }
            None => f.write_str("servers and the load generator share the only core"),
        }
    }
}

fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
