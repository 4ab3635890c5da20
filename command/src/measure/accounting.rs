//! What the kernel has counted for a process: memory, context switches, and time.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::AddAssign;
use std::time::Duration;

use nix::unistd::{Pid, SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

/// The process's resident memory in bytes (`VmRSS` in `proc_pid_status(5)`).
///
/// # Errors
/// If the process is gone.
pub fn resident_bytes(pid: Pid) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kibibytes = figure(&status, "VmRSS:");
    kibibytes.map(|kibibytes| kibibytes * 1024).ok_or_else(|| absent("VmRSS"))
}

/// A process's CPU time, divided into that in user space and that in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// In user space.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl Times {
    /// What `pid` has used so far, with threads that ended (`proc_pid_stat(5)`). The sum is measured;
    /// the kernel divides it by what it sees at each tick, so that a second shows it to a few percent.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn of(pid: Pid) -> io::Result<Times> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Behind the name, which may contain anything: the state, which is the third field.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = |field: usize| fields.split_whitespace().nth(field - 3)?.parse::<u32>().ok();
        let a_second = sysconf(SysconfVar::CLK_TCK)?.and_then(|count| u32::try_from(count).ok());
        let [Some(user), Some(system), Some(a_second @ 1..)] = [ticks(14), ticks(15), a_second]
        else {
            return Err(absent("CPU times"));
        };
        let time = |ticks| Duration::from_secs(1) * ticks / a_second;
        Ok(Times { user: time(user), system: time(system) })
    }

    /// What it has used since `before`.
    #[must_use]
    pub fn since(&self, before: &Times) -> Times {
        Times {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    /// The kernel's share of both; nothing of less than a second.
    #[must_use]
    pub fn kernel_share(&self) -> Option<f64> {
        let all = self.user + self.system;
        (all >= Duration::from_secs(1)).then(|| self.system.div_duration_f64(all))
    }
}

impl AddAssign for Times {
    fn add_assign(&mut self, other: Times) {
        self.user += other.user;
        self.system += other.system;
    }
}

/// How often each thread of a process was switched out so far.
#[derive(Clone, Debug)]
pub struct Switches {
    threads: HashMap<String, u64>,
}

impl Switches {
    /// Those of `pid`, voluntary and involuntary ones. Reads a file for each thread, which takes
    /// about 20 µs each: not to be done while time is measured.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn of(pid: Pid) -> io::Result<Switches> {
        let mut threads = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?;
            // A thread may end between the two.
            let Ok(status) = fs::read_to_string(thread.path().join("status")) else { continue };
            let counts = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"]
                .map(|name| figure(&status, name).ok_or_else(|| absent("context switches")));
            let [voluntary, involuntary] = counts;
            let thread = thread.file_name().to_string_lossy().into_owned();
            threads.insert(thread, voluntary? + involuntary?);
        }
        Ok(Switches { threads })
    }

    /// How many there were since `before`. A thread that ended meanwhile has taken its count along:
    /// of a server with a thread for each connection, connections that end are not counted.
    #[must_use]
    pub fn since(&self, before: &Switches) -> u64 {
        let of_thread = |(thread, count): (&String, &u64)| {
            count.saturating_sub(before.threads.get(thread).copied().unwrap_or(0))
        };
        self.threads.iter().map(of_thread).sum()
    }
}

/// The number in the line of `status` that begins with `name`.
fn figure(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn absent(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("the process ended, or has no {what}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn switches_of_all_threads_are_counted() {
        let before = Switches::of(Pid::this()).expect("it runs");
        let (to, from) = mpsc::channel::<()>();
        let (back, answers) = mpsc::channel();
        let waiting = thread::spawn(move || {
            for () in from {
                back.send(()).expect("somebody listens");
            }
        });
        for _ in 0..100 {
            to.send(()).expect("it listens");
            answers.recv().expect("it answers");
        }
        let after = Switches::of(Pid::this()).expect("it runs");
        // On a loaded machine one may find its answer without having waited; never always.
        assert!(after.since(&before) > 10, "{}", after.since(&before));
        drop(to);
        waiting.join().expect("it ends");
    }

    #[test]
    fn time_is_that_of_user_space_and_of_the_kernel() {
        let before = Times::of(Pid::this()).expect("it runs");
        loop {
            let used = Times::of(Pid::this()).expect("it runs").since(&before);
            if !used.user.is_zero() && !used.system.is_zero() {
                break;
            }
        }
        let times = |user, system| Times {
            user: Duration::from_secs(user),
            system: Duration::from_secs(system),
        };
        assert_eq!(times(0, 0).kernel_share(), None, "too little to say");
        assert_eq!(times(1, 3).kernel_share(), Some(0.75));
        assert_eq!(times(2, 5).since(&times(1, 2)), times(1, 3));
    }

    #[test]
    fn memory_that_is_touched_is_resident() {
        let before = resident_bytes(Pid::this()).expect("it runs");
        let touched = vec![1_u8; 64 << 20];
        let after = resident_bytes(Pid::this()).expect("it runs");
        assert!(after >= before + (32 << 20), "{before} then {after}");
        drop(touched);
    }
}
