//! Making a ring: the best flags that this kernel takes, and why it refuses.

use std::fs;
use std::io;

use io_uring::{Builder, IoUring};
use transport_core::Cause;

/// Deferred work runs only when the driver asks for it, on its own thread (Linux 6.1).
const DEFERRED: &str = "deferred task work";
/// Work runs when the driver enters the kernel anyway (Linux 5.19).
const COOPERATIVE: &str = "cooperative task work";
const PLAIN: &str = "no task-work flags";

/// A set of flags, and its name.
type Step = (&'static str, fn(&mut Builder));

/// A ring, disabled until its driver's first turn, and which set of flags it has. None tells of deferred
/// work in the queue's flags: whoever sends to us would write to the memory that the driver reads in each
/// turn, from another processor.
pub(crate) fn ring(entries: u32) -> Result<(IoUring, &'static str), Cause> {
    let steps: [Step; 3] = [
        (DEFERRED, |builder| {
            builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
        }),
        (COOPERATIVE, |builder| {
            builder.setup_coop_taskrun().setup_submit_all();
        }),
        (PLAIN, |_| {}),
    ];
    let mut refused = io::Error::from_raw_os_error(libc::EINVAL);
    for (name, flags) in steps {
        let mut builder = IoUring::builder();
        builder.dontfork().setup_r_disabled().setup_clamp();
        builder.setup_cqsize(entries.saturating_mul(16));
        flags(&mut builder);
        match builder.build(entries) {
            Ok(ring) => return Ok((ring, name)),
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => refused = e,
            Err(e) => return Err(unavailable(&e)),
        }
    }
    Err(unavailable(&refused))
}

/// What a refusal means.
pub(crate) fn unavailable(error: &io::Error) -> Cause {
    let why = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => match disabled_by_sysctl().as_deref() {
            Some("0") | None => "forbidden, by a seccomp filter or a security module",
            Some(_) => "forbidden by kernel.io_uring_disabled",
        },
        Some(libc::ENOSYS) => "not in this kernel, or hidden by a sandbox",
        Some(libc::ENOMEM) => "no memory, or over the locked-memory limit (ulimit -l)",
        Some(libc::EINVAL) => "this kernel lacks what the ring needs (Linux 5.19)",
        // The process has run out, not the kernel.
        Some(errno @ (libc::EMFILE | libc::ENFILE)) => {
            return Cause::System(io::Error::from_raw_os_error(errno));
        }
        _ => return Cause::Unavailable(format!("io_uring can't be set up: {error}")),
    };
    Cause::Unavailable(format!("io_uring is unavailable: {why}: {error}"))
}

fn disabled_by_sysctl() -> Option<String> {
    let value = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    Some(value.trim().to_owned())
}
