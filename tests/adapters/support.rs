//! Running a case on each backend, on our runtime and on tokio.

use std::env;
use std::error::Error;
use std::fs::File;
use std::future::poll_fn;
use std::pin::Pin;
use std::process::Command;
use std::task::Poll;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;
use unix_transport::embed::thread::DriverThread;
use unix_transport::runtime::Handle;
use unix_transport::{
    Address, AdoptOptions, Availability, Backend, Io, Runtime, Settings, Transport,
};

/// More than a socket's buffer, so that writers wait for their readers.
pub(crate) const MUCH: usize = 1 << 20;

/// What every case takes at most.
const LIMIT: Duration = Duration::from_secs(30);

/// A test of each case on each backend: `case::<B>()`.
macro_rules! on_each_backend {
    ($($case:ident),+ $(,)?) => {
        on_each_backend!(@ blocking Blocking, $($case)+);
        on_each_backend!(@ epoll Epoll, $($case)+);
        on_each_backend!(@ uring Uring, $($case)+);
        on_each_backend!(@ auto Auto, $($case)+);
    };
    (@ $module:ident $backend:ident, $($case:ident)+) => {
        mod $module {
            $(#[test]
            fn $case() {
                super::$case::<unix_transport::$backend>();
            })+
        }
    };
}

/// The backend, opened; `None`, said aloud, where it can't work.
fn open<B: Backend>() -> Option<(B::Transport, B::Driver)> {
    if let Availability::No(why) = B::probe() {
        let strict = env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
        assert!(!strict, "{} is unavailable: {why}", B::NAME);
        println!("SKIP {} is unavailable: {why}", B::NAME);
        return None;
    }
    Some(B::open(&Settings::default()).expect("it was probed"))
}

/// Runs `case` on our runtime, then on tokio.
pub(crate) fn on_both<B: Backend>(case: impl AsyncFn(B::Transport)) {
    on_runtime::<B>(async |transport, _| case(transport).await);
    on_tokio::<B>(async |transport| case(transport).await);
}

/// Runs `case` on our runtime.
pub(crate) fn on_runtime<B: Backend>(case: impl AsyncFnOnce(B::Transport, Handle)) {
    let Some((transport, driver)) = open::<B>() else { return };
    let mut runtime = Runtime::<B>::from_parts(transport.clone(), driver);
    let handle = runtime.handle();
    let limited = handle.timeout(LIMIT, case(transport, handle.clone()));
    runtime.block_on(limited).expect("it ends in time");
}

/// Runs `case` on tokio with two threads, with the driver on a third.
pub(crate) fn on_tokio<B: Backend>(case: impl AsyncFnOnce(B::Transport)) {
    let Some((transport, driver)) = open::<B>() else { return };
    let driver = DriverThread::start(driver).expect("a thread");
    let mut tokio = tokio::runtime::Builder::new_multi_thread();
    let tokio = tokio.worker_threads(2).enable_time().build().expect("a runtime");
    let limited = async { tokio::time::timeout(LIMIT, case(transport)).await };
    tokio.block_on(limited).expect("it ends in time");
    // What was spawned goes before its driver.
    drop(tokio);
    driver.stop().expect("the driver never failed");
}

/// Two connections, each the other's peer.
pub(crate) fn pair<T: Transport>(transport: &T) -> (Io<T::Connection>, Io<T::Connection>) {
    let (one, other) = transport.pair(&AdoptOptions::new()).expect("a pair");
    (Io::new(one), Io::new(other))
}

/// Polls `future` once, and answers whether it has to be waited for.
pub(crate) async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// An address that is free, in a directory that goes when it is dropped.
pub(crate) fn address() -> (Address, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let address = Address::path(directory.path().join("socket")).expect("a short path");
    (address, directory)
}

/// Bytes that show any that is lost, doubled or moved.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(length)
        .collect()
}

/// The texts of an error and of all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.join(": ")
}

/// Takes every descriptor that this process may still have: for [processes of their
/// own](in_child).
pub(crate) fn every_descriptor() -> Vec<File> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("known");
    setrlimit(Resource::RLIMIT_NOFILE, 100, hard).expect("less is allowed");
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Runs `body` in a process of its own, which runs only the test called `test`.
pub(crate) fn in_child(test: &str, body: impl FnOnce()) {
    const CHILD: &str = "ADAPTERS_TEST_CHILD";
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let mut command = Command::new(env::current_exe().expect("the running program has a path"));
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    let output = command.output().expect("it can run again");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("1 passed"), "the test runs under its own name: {printed}");
}
