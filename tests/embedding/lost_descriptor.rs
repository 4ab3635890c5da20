//! Hosts that close, or replace, the descriptor that they only should wait for.
#![expect(unsafe_code, reason = "closes descriptors that belong to drivers")]

use std::env;
use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Waker};
use std::time::Duration;

use unix_transport::{Driver, PollRead, Prepared, Settings};

use crate::checks::{adopted_pair, open, within_limit};

/// What a host does to a descriptor that is not its own.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Closes,
    Replaces,
}

fn harm(fd: RawFd, harm: Harm) {
    match harm {
        Harm::Closes => {
            // SAFETY: it is not sound, which is the point: this process has no other threads that
            // could get the number.
            assert_eq!(unsafe { libc::close(fd) }, 0);
        }
        Harm::Replaces => {
            let other = File::open("/dev/null").expect("a device");
            // SAFETY: as above; the number stays in use.
            assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), fd) }, fd);
        }
    }
}

/// Epoll can't go on without its descriptor, and says so; a ring can.
fn go_on_without_the_descriptor(backend: &str, how: Harm) {
    let Some((transport, mut driver)) = open(backend, &Settings::default()) else { return };
    let (mut connection, mut peer) = adopted_pair(&transport);
    let mut received = pin!(connection.recv());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(received.as_mut().poll(&mut cx).is_pending());
    let fd = driver.wait_fd().expect("it can be nested").as_raw_fd();
    while driver.prepare().expect("it is whole") == Prepared::Ready {
        driver.dispatch().expect("it is whole");
    }
    harm(fd, how);
    peer.write_all(b"x").expect("connected");
    driver.unparker().unpark();
    let answers = [
        driver.prepare().map(drop),
        driver.dispatch().map(drop),
        driver.turn(Some(Duration::from_millis(10))).map(drop),
        driver.turn(None).map(drop),
    ];
    println!("{backend}, whose host {how:?} its descriptor: {answers:?}");
    let is_received = received.as_mut().poll(&mut cx).is_ready();
    match backend {
        "epoll" => {
            let bad: fn(&io::Error) -> bool = match how {
                Harm::Closes => |e| e.raw_os_error() == Some(libc::EBADF),
                Harm::Replaces => |e| e.raw_os_error() == Some(libc::EINVAL),
            };
            assert!(answers[1..].iter().all(|answer| answer.as_ref().is_err_and(bad)));
        }
        _ => assert!(is_received && answers.iter().all(Result::is_ok)),
    }
    if let Harm::Closes = how {
        // The standard library aborts a program, built for debugging, that closes what is closed.
        let number = File::open("/dev/null").expect("a device").into_raw_fd();
        assert_eq!(number, fd, "the lowest number that is free");
    }
}

/// In a process of its own, where no other test can get the number.
#[test]
fn a_wait_descriptor_that_the_host_closed() {
    const CHILD: &str = "EMBEDDING_TEST_CHILD";
    let all = [("epoll", Harm::Closes), ("epoll", Harm::Replaces)];
    let all = all.into_iter().chain([("uring", Harm::Closes), ("uring", Harm::Replaces)]);
    for (number, (backend, how)) in all.enumerate() {
        match env::var(CHILD) {
            Ok(chosen) if chosen == number.to_string() => {
                return within_limit(move || go_on_without_the_descriptor(backend, how));
            }
            Ok(_) => continue,
            Err(_) => {}
        }
        let name = "lost_descriptor::a_wait_descriptor_that_the_host_closed";
        let mut child = Command::new(env::current_exe().expect("the running program has a path"));
        child.args(["--exact", name, "--nocapture"]).env(CHILD, number.to_string());
        let output = child.output().expect("it can run again");
        let printed = String::from_utf8_lossy(&output.stdout);
        println!("{printed}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", output.status);
        assert!(printed.contains("1 passed"), "the test runs under its own name: {printed}");
    }
}
