//! A flag that says that there is deferred work when there is none: the kernel raises it a moment
//! after the work is there, so also after an `enter` of another thread has run it. A driver in a
//! host's loop must neither look for that work for ever nor keep its host awake.
#![expect(unsafe_code, reason = "asks the kernel where the flag is")]

use std::fs::{self, File};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use backend_uring::Uring;
use transport_core::{Backend, Driver, Prepared, Settings};

/// `IORING_SQ_TASKRUN`.
const TASKRUN: u32 = 4;

#[test]
fn a_host_sleeps_beside_a_stale_flag() {
    if let transport_core::Availability::No(why) = Uring::probe() {
        assert!(std::env::var_os("CONFORMANCE_STRICT").is_none_or(|strict| strict != "1"), "{why}");
        return println!("SKIP {why}");
    }
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (_transport, mut driver) = Uring::open(&Settings::default()).expect("it works here");
        assert!(driver.wait_fd().is_some(), "the ring can be nested");
        // What the set-up left to do.
        while driver.prepare().expect("it prepares") == Prepared::Ready {}
        raise_flag();
        driver.dispatch().expect("it dispatches");
        tell.send(driver.prepare().expect("it prepares")).expect("the test waits");
    });
    let prepared = told.recv_timeout(Duration::from_secs(10));
    assert_eq!(prepared, Ok(Prepared::SleepUntil(None)), "nothing is left to do");
}

/// Raises the flag of the one ring in this process.
fn raise_flag() {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has /proc/self/maps");
    let is_rings = |line: &&str| {
        line.ends_with("anon_inode:[io_uring]") && line.split(' ').nth(2) == Some("00000000")
    };
    let rings = maps.lines().find(is_rings).expect("the ring is mapped");
    let start = rings.split('-').next().expect("a line begins with a range");
    let start = u64::from_str_radix(start, 16).expect("an address");
    let memory = File::options().read(true).write(true).open("/proc/self/mem");
    let memory = memory.expect("a process may write to itself");
    let at = start + u64::from(offset_of_flags());
    let mut flags = [0; 4];
    memory.read_exact_at(&mut flags, at).expect("the ring is mapped");
    let flags = u32::from_ne_bytes(flags) | TASKRUN;
    memory.write_all_at(&flags.to_ne_bytes(), at).expect("the ring is mapped");
}

/// Where the flags are in a ring's memory, which the kernel says of each (`io_uring_setup(2)`).
fn offset_of_flags() -> u32 {
    // `struct io_uring_params`, all of whose fields have this size; `sq_off.flags` is the 15th.
    let mut parameters = [0_u32; 30];
    // SAFETY: the kernel fills the structure, which is as long as it expects.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut parameters) };
    let ring = i32::try_from(ring).expect("a descriptor, or -1");
    assert!(ring >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made it.
    drop(unsafe { OwnedFd::from_raw_fd(ring) });
    parameters[14]
}
