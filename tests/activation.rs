//! Sockets passed by a service manager: `systemd-socket-activate` starts the example on each
//! backend; and what is wrong with the variables is said, with every descriptor left as it was.
//!
//! The programs that are started are this one again, told by a variable which part to play.

#[path = "../examples/activated.rs"]
#[allow(dead_code, reason = "the example's own main")]
mod activated;

use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use unix_transport::activation;

/// Which part this program plays: "look", "open and look", "take", or a backend's name.
const PART: &str = "ACTIVATION_TEST_PART";

/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the programs do that are started; else no test.
#[test]
fn part() {
    match env::var(PART).as_deref() {
        Err(_) => {}
        Ok("look") => look(),
        Ok("open and look") => {
            let own = TcpListener::bind("127.0.0.1:0").expect("a socket");
            assert_eq!(own.as_raw_fd(), 3, "the number that LISTEN_FDS speaks of");
            look();
        }
        Ok("take") => take(),
        Ok(backend) => activated::run(backend).expect("it serves"),
    }
}

/// Asks twice, and says the answers.
fn look() {
    for _ in 0..2 {
        let before = is_open(3);
        match activation::listeners() {
            Ok(sockets) => {
                let names: Vec<&str> = sockets.iter().map(|(name, _)| name.as_str()).collect();
                println!("passed {names:?}");
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert_eq!(is_open(3), before, "a failed look closes nothing");
                println!("{error};");
            }
        }
    }
}

/// Takes one of three by its name, and then the others.
fn take() {
    assert!(!is_close_on_exec(3));
    let two = activation::take("two").expect("it was passed");
    assert_eq!(two.as_raw_fd(), 4);
    assert!((3..6).all(is_close_on_exec), "all of them, taken or not");
    let missing = activation::take("two").expect_err("it was taken");
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    println!("{missing};");
    let others = activation::listeners().expect("they were passed");
    let others = others.iter().map(|(name, socket)| (name.as_str(), socket.as_raw_fd()));
    assert!(others.eq([("one", 3), ("three", 5)]));
    assert!(activation::listeners().expect("nothing is left").is_empty());
}

fn is_open(fd: i32) -> bool {
    Path::new(&format!("/proc/self/fd/{fd}")).exists()
}

fn is_close_on_exec(fd: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).expect("it is open");
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags");
    u32::from_str_radix(flags.trim(), 8).expect("octal") & 0o2_000_000 != 0
}

#[test]
fn an_activated_server_runs_on_every_backend() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        skip("systemd-socket-activate is not installed (apt-get install systemd)");
        return;
    }
    for (backend, availability) in unix_transport::backends() {
        if !availability.is_yes() {
            skip(&format!("{backend} is unavailable: {availability}"));
            continue;
        }
        for names in [&["one"][..], &["one", "two", "one"]] {
            serve(backend, names);
        }
    }
}

/// Has a server on `backend` started with a socket for each of `names`.
fn serve(backend: &str, names: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    let paths: Vec<_> = (0..names.len()).map(|n| directory.path().join(n.to_string())).collect();
    let mut manager = Command::new("systemd-socket-activate");
    manager.args(paths.iter().map(|path| format!("--listen={}", path.display())));
    manager.arg(format!("--fdname={}", names.join(":")));
    manager.arg(format!("--setenv={PART}={backend}"));
    manager.arg(env::current_exe().expect("this program")).args(["--exact", "part"]);
    let mut server = Started(
        manager.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is installed"),
    );
    for (name, path) in names.iter().zip(&paths) {
        let mut client = None;
        wait_until("the manager listens", || {
            client = UnixStream::connect(path).ok();
            client.is_some()
        });
        let mut client = client.expect("it is connected");
        client.set_read_timeout(Some(PATIENCE)).expect("a legal timeout");
        client.write_all(b"hello").expect("it is served");
        client.shutdown(std::net::Shutdown::Write).expect("it is connected");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("it is served");
        assert_eq!(answer, format!("{name}: hello"), "{backend}");
    }
    assert!(server.wait().success(), "{backend}");
    for path in &paths {
        // The file is the manager's, and stays; nobody listens any more, as the manager, which
        // here became the server, has ended.
        let refused = UnixStream::connect(path).expect_err("the server has ended");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{backend}: {refused}");
    }
}

#[test]
fn sockets_are_given_out_once() {
    assert_eq!(
        started("look", listener(), "LISTEN_PID=$$ LISTEN_FDS=1", ""),
        "passed [\"unknown\"]\npassed []\n"
    );
    let said = started(
        "take",
        listener(),
        "LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=one:two:three",
        "4<&0 5<&0",
    );
    let why = "no socket called \"two\" was passed, or it was taken: LISTEN_FDS=\"3\", \
               LISTEN_FDNAMES=\"one:two:three\", LISTEN_PID=";
    assert!(said.contains(why), "{said}");
}

#[test]
fn what_is_for_another_process_is_left_alone() {
    for variables in [
        "",
        "LISTEN_FDS=1",
        "LISTEN_PID=1 LISTEN_FDS=1",
        "LISTEN_PID=1 LISTEN_FDS=abc",
        "LISTEN_PID=$$",
        "LISTEN_PID=$$ LISTEN_FDS=0 LISTEN_FDNAMES=",
    ] {
        let said = started("look", listener(), variables, "");
        assert_eq!(said, "passed []\npassed []\n", "{variables}");
    }
}

#[test]
fn malformed_variables_are_said() {
    let number = "it is not a number from 0 to 2147483647";
    for (variables, more, wrong) in [
        ("LISTEN_FDS=abc", "", format!("LISTEN_FDS=\"abc\": {number}")),
        ("LISTEN_FDS=", "", format!("LISTEN_FDS=\"\": {number}")),
        ("LISTEN_FDS=-1", "", format!("LISTEN_FDS=\"-1\": {number}")),
        ("LISTEN_FDS=99999999999", "", format!("LISTEN_FDS=\"99999999999\": {number}")),
        (
            "LISTEN_FDS=2147483647",
            "",
            "LISTEN_FDS=\"2147483647\": no process has so many descriptors".to_owned(),
        ),
        ("LISTEN_FDS=1000000", "", "LISTEN_FDS=\"1000000\": descriptor 4 is not open".to_owned()),
        ("LISTEN_FDS=3", "4<&0", "LISTEN_FDS=\"3\": descriptor 5 is not open".to_owned()),
        (
            "LISTEN_FDS=2",
            "4</dev/null",
            "LISTEN_FDS=\"2\": descriptor 4 is not a socket".to_owned(),
        ),
        ("LISTEN_FDS=1 LISTEN_PID=me", "", format!("LISTEN_PID=\"me\": {number}")),
        (
            "LISTEN_FDS=2 LISTEN_FDNAMES=one",
            "4<&0",
            "LISTEN_FDNAMES=\"one\": 1 names for LISTEN_FDS=2".to_owned(),
        ),
        (
            "LISTEN_FDS=1 LISTEN_FDNAMES=one:two",
            "",
            "LISTEN_FDNAMES=\"one:two\": 2 names for LISTEN_FDS=1".to_owned(),
        ),
        (
            "LISTEN_FDS=1 LISTEN_FDNAMES=\"$(printf '\\377')\"",
            "",
            "LISTEN_FDNAMES=\"\\xFF\": it is not UTF-8".to_owned(),
        ),
    ] {
        let said = started("look", listener(), &format!("LISTEN_PID=$$ {variables}"), more);
        assert_eq!(said, format!("{wrong};\n{wrong};\n"), "{variables}");
    }
    let (connected, _peer) = UnixStream::pair().expect("a pair");
    let said = started("look", connected.into(), "LISTEN_PID=$$ LISTEN_FDS=1", "");
    let wrong = "LISTEN_FDS=\"1\": descriptor 3 is a socket that does not listen;\n";
    assert_eq!(said, wrong.repeat(2));
    // Nothing is passed as 3, so that what the program opens gets this number.
    let said = started("open and look", listener(), "LISTEN_PID=$$ LISTEN_FDS=1", "3<&-");
    let wrong = "LISTEN_FDS=\"1\": descriptor 3 was opened, or already taken, by this program;\n";
    assert_eq!(said, wrong.repeat(2));
}

/// What this program says as `part`, started with `socket` as descriptor 3, with these shell
/// assignments and these further redirections.
#[track_caller]
fn started(part: &str, socket: OwnedFd, variables: &str, more: &str) -> String {
    let script =
        format!("{variables} exec \"$0\" --exact part --nocapture 3<&0 {more} 0</dev/null");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(env::current_exe().expect("this program")).stdin(socket);
    let output = shell.env(PART, part).output().expect("there is a shell");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // What the harness says is around it.
    let said = said.strip_prefix("\nrunning 1 test\n").expect("the harness");
    let said = said.strip_prefix("test part ... ").unwrap_or(said);
    let end = said.find("test part ... ok\n").or_else(|| said.find("ok\n\ntest result"));
    said[..end.expect("the harness")].to_owned()
}

fn listener() -> OwnedFd {
    let directory = tempfile::tempdir().expect("a directory");
    UnixListener::bind(directory.path().join("socket")).expect("a socket").into()
}

/// A program that was started; dropping it kills it.
struct Started(Child);

impl Started {
    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server ends", || {
            status = self.0.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it ended")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Both fail only if it was waited for already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[track_caller]
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "still waiting until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Says that something is not tested here; in strict mode nothing may be skipped.
fn skip(why: &str) {
    let strict = env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
    assert!(!strict, "skipped in strict mode: {why}");
    _ = io::stderr().write_all(format!("SKIP {why}\n").as_bytes()); // nobody is left to tell
}
