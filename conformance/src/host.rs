//! What a case changes or measures in its own process: its user, its limits, its signals, its
//! processor time. All of this is per process, and is why every case has one of its own.

#![expect(unsafe_code, reason = "installs a signal handler that does nothing")]

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use crate::census::Census;

/// The user id of nobody.
pub const NOBODY: u32 = 65534;

/// Gives up root's rights for the rest of the process, so that permissions mean something. Does
/// nothing for other users, whom permissions bind already.
///
/// # Panics
/// If root is not allowed to.
pub fn become_unprivileged() {
    if !is_root() {
        return;
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[]).expect("root can leave its groups");
    setresgid(group, group, group).expect("root can change its group");
    setresuid(user, user, user).expect("root can change its user");
    // Changing the user hides /proc/self from the process itself, which counts its descriptors.
    prctl::set_dumpable(true).expect("a process can show itself");
}

/// Whether this process has root's rights.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Sets this process's umask, and answers the one before.
pub fn set_umask(mask: u32) -> u32 {
    umask(Mode::from_bits_truncate(mask)).bits()
}

/// This process's umask, as the kernel shows it.
///
/// # Panics
/// Without `/proc`.
#[must_use]
pub fn current_umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has /proc/self/status");
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    u32::from_str_radix(mask.expect("Linux shows the umask").trim(), 8)
        .expect("it is an octal number")
}

/// Allows this many open descriptors at least, and answers whether that was possible.
#[must_use]
pub fn allow_descriptors(count: u64) -> bool {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return false };
    soft >= count || setrlimit(Resource::RLIMIT_NOFILE, count, hard.max(count)).is_ok()
}

/// Runs `body` while the process can open no more descriptors.
///
/// # Panics
/// If the limit can't be set.
pub fn without_spare_descriptors<T>(body: impl FnOnce() -> T) -> T {
    with_spare_descriptors(0, body)
}

/// Runs `body` while the process can open exactly `spare` more descriptors.
///
/// # Panics
/// If the limit can't be set.
pub fn with_spare_descriptors<T>(spare: u64, body: impl FnOnce() -> T) -> T {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be asked for");
    let census = Census::take();
    let highest = census.descriptors.last_key_value().map_or(0, |(number, _)| *number);
    let number =
        |file: &File| u64::try_from(file.as_raw_fd()).expect("a descriptor is not negative");
    // The limit is on numbers, so the gaps below the highest are filled.
    let mut fillers = Vec::new();
    let first_free = loop {
        let file = File::open("/dev/null").expect("there are descriptors left");
        if file.as_raw_fd() > highest {
            break number(&file);
        }
        fillers.push(file);
    };
    setrlimit(Resource::RLIMIT_NOFILE, first_free + spare, hard).expect("a limit can be lowered");
    let answer = body();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("a limit can be raised to what it was");
    drop(fillers);
    answer
}

/// The processor time that this process has used, user and system.
///
/// # Panics
/// If the system does not say.
#[must_use]
pub fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process can ask for its usage");
    let microseconds = [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec())
        .sum::<i64>();
    Duration::from_micros(u64::try_from(microseconds).expect("time used is not negative"))
}

/// A thread that signals interrupt: its system calls then answer EINTR.
#[derive(Clone, Copy, Debug)]
pub struct Interruptible {
    thread: Pthread,
}

impl Interruptible {
    /// The calling thread. From now on SIGUSR1 does nothing in this process but end system calls
    /// with EINTR: its handler is installed without `SA_RESTART`.
    ///
    /// # Panics
    /// If the handler can't be installed.
    #[must_use]
    pub fn this_thread() -> Interruptible {
        extern "C" fn do_nothing(_: libc::c_int) {}
        let action =
            SigAction::new(SigHandler::Handler(do_nothing), SaFlags::empty(), SigSet::empty());
        // SAFETY: a handler that does nothing is async-signal-safe, and no other code of this
        // process, which runs one case, uses SIGUSR1.
        let installed = unsafe { sigaction(Signal::SIGUSR1, &action) };
        installed.expect("SIGUSR1 can be handled");
        Interruptible { thread: pthread_self() }
    }

    /// Interrupts it once. The thread must still run.
    ///
    /// # Panics
    /// If the thread is gone.
    pub fn interrupt(self) {
        pthread_kill(self.thread, Signal::SIGUSR1).expect("the thread still runs");
    }
}
