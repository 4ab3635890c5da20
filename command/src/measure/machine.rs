//! What a figure was measured on: a figure without its machine says nothing.

use std::fmt;
use std::fs;
use std::thread;

use serde::Serialize;

/// Processor, cores and kernel.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's model, as the kernel names it.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// System, release and architecture.
    pub kernel: String,
}

impl Machine {
    /// This machine; what cannot be found out reads "unknown".
    #[must_use]
    pub fn this() -> Machine {
        let kernel = nix::sys::utsname::uname().map(|name| {
            let parts = [name.sysname(), name.release(), name.machine()];
            parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
        });
        Machine {
            processor: processor().unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.unwrap_or_else(|_| unknown()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel } = self;
        write!(f, "{processor}, {cores} {}, {kernel}", if *cores == 1 { "core" } else { "cores" })
    }
}

fn processor() -> Option<String> {
    let description = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = description.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
