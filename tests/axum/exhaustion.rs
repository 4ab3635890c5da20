//! A server without descriptors: its clients wait, and it uses no CPU time meanwhile.

use std::env;
use std::fs::File;
use std::io::ErrorKind;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike as _;

use crate::server::{Host, PATIENCE, Server};

/// How long clients wait.
const WAIT: Duration = Duration::from_millis(500);

/// The limit is the process's, so the test called `test` runs once more, in a child process.
pub(crate) fn in_child(test: &str, host: Host, backend: &str) {
    const CHILD: &str = "AXUM_TEST_CHILD";
    if env::var_os(CHILD).is_some() {
        return host.serve(backend, no_descriptors_no_cpu_time);
    }
    let mut command = Command::new(env::current_exe().expect("the running program has a path"));
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    let output = command.output().expect("it can run again");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("1 passed"), "the test runs under its own name: {printed}");
}

fn no_descriptors_no_cpu_time(server: &mut Server) {
    // Stays open, so that its end makes no room.
    let mut first = server.connect();
    first.ask("/");
    assert_eq!(first.answer(), "hello");
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 100, hard).expect("below the hard limit");
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(files.len() > 10, "there was room");
    // One for the client; the server has none for its side.
    files.pop();
    let mut client = server.connect();
    client.ask("/");
    client.stream.set_read_timeout(Some(WAIT)).expect("a legal timeout");
    let before = cpu_time();
    let error = client.read(&mut [0]).expect_err("nobody accepts it");
    let used = cpu_time() - before;
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(used < WAIT / 10, "{used:?} of CPU time");
    drop(files);
    client.stream.set_read_timeout(Some(PATIENCE)).expect("a legal timeout");
    assert_eq!(client.answer(), "hello");
}

/// That of all threads.
fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("known");
    let used = usage.user_time() + usage.system_time();
    Duration::from_micros(used.num_microseconds().try_into().expect("not negative"))
}
