//! What the system allows, asked before a measurement runs into it.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::workload::Workload;
use crate::failure::{Failure, Result};
use crate::output::thousands;

/// Descriptors that a server or a generator needs beside its connections, with room to spare.
const OTHER_FILES: u64 = 100;

/// Mappings that a thread takes: its stack and the guard below it.
const MAPPINGS: u64 = 2;

/// Raises the soft limit of open files to the hard one, for this process and those that it starts
/// from now on. The usual soft limit is 1,024, for the sake of programs that use `select(2)`.
///
/// # Errors
/// Those of `setrlimit(2)`.
pub fn raise_open_files() -> Result<()> {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    raised.map_err(|errno| Failure::new("raise the limit of open files", errno))
}

/// Whether this many servers can be alive at once with all connections of `workload` open: each
/// server and each generator is a process of its own. A limit that cannot be read is not one.
///
/// # Errors
/// The first limit that is too low, as a sentence.
pub fn fits(workload: Workload, servers: usize) -> Result<(), String> {
    let (connections, servers) = (workload.connections() as u64, servers as u64);
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    at_most(connections + OTHER_FILES, files, "open files for a process (ulimit -Hn)")?;
    // Both ends of each.
    let all_files = number("/proc/sys/fs/file-max");
    at_most(connections * 2 * servers, all_files, "open files in all (fs.file-max)")
}

/// Whether this many servers with a thread for each connection can be alive at once; beside
/// [`fits`], for those servers. Threads that exist already are not counted.
///
/// # Errors
/// The first limit that is too low, as a sentence.
pub fn threads_fit(workload: Workload, servers: usize) -> Result<(), String> {
    let connections = workload.connections() as u64;
    let threads = connections * servers as u64;
    let mappings = number("/proc/sys/vm/max_map_count");
    at_most(connections * MAPPINGS, mappings, "mappings for a process (vm.max_map_count)")?;
    let of_user = match nix::unistd::geteuid().is_root() {
        // The superuser is not held to it: setrlimit(2).
        true => u64::MAX,
        false => getrlimit(Resource::RLIMIT_NPROC).map_or(u64::MAX, |(soft, _)| soft),
    };
    at_most(threads, of_user, "threads for a user (ulimit -u)")?;
    at_most(threads, number("/proc/sys/kernel/threads-max"), "threads (kernel.threads-max)")?;
    at_most(threads, number("/proc/sys/kernel/pid_max"), "thread ids (kernel.pid_max)")?;
    at_most(threads, of_control_group(), "threads for a control group (pids.max)")
}

fn at_most(needed: u64, allowed: u64, what: &str) -> Result<(), String> {
    match needed <= allowed {
        true => Ok(()),
        false => Err(format!(
            "it needs {} {what}, and {} are allowed",
            thousands(needed as f64),
            thousands(allowed as f64)
        )),
    }
}

/// `pids.max` of this process's control group, in the second version of the hierarchy or the first.
fn of_control_group() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        // `0::/path` or `8:pids:/path`: cgroups(7).
        let mut parts = line.splitn(3, ':').skip(1);
        let root = match parts.next()? {
            "" => "/sys/fs/cgroup",
            "pids" => "/sys/fs/cgroup/pids",
            _ => return None,
        };
        Some(number(&format!("{root}{}/pids.max", parts.next()?)))
    });
    limits.min().unwrap_or(u64::MAX)
}

/// The number in a file; the highest one if there is none, or it reads `max`.
fn number(path: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_says_why() {
        let some = Workload::PingPong { connections: 16, message_bytes: 64, depth: 1 };
        assert_eq!(fits(some, 2), Ok(()));
        assert_eq!(threads_fit(some, 2), Ok(()));
        let many = Workload::Idle { idle: 1 << 40, active: 1, message_bytes: 64 };
        let why = fits(many, 1).expect_err("nobody has so many files");
        assert!(why.starts_with("it needs 1,099,511,627,877 open files for a process"), "{why}");
        let why = threads_fit(many, 1).expect_err("nobody has so many mappings");
        assert!(why.contains("vm.max_map_count"), "{why}");
    }
}
