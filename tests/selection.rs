//! Choosing a backend at run time: by name, from the environment, and where io_uring is refused.
//!
//! What a test changes here, a variable or a seccomp filter, is its process's for good, so such a
//! test runs itself once more, in a child process.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use unix_transport::{
    Address, Auto, Availability, Backend, Cause, Cleanup, Connection, Driver, ListenOptions,
    Listener, PollRead, PollWrite, Runtime, Selection, Settings, Transport, VARIABLE, backends,
    select, select_from_environment,
};

#[test]
fn every_backend_is_listed_the_best_first() {
    let names: Vec<_> = backends().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["uring", "epoll", "blocking"]);
}

#[test]
fn each_backend_moves_bytes() {
    for (name, availability) in backends() {
        match (select(name, &Settings::default()), availability) {
            (Ok(selection), Availability::Yes(_)) => {
                assert_eq!(selection.name, name);
                assert_eq!(selection.passed_over, [], "nothing was tried before {name}");
                moves_bytes(selection);
            }
            (Err(error), Availability::No(why)) => {
                println!("{name} can't be shown: {why}: {error}")
            }
            (chosen, availability) => panic!("{name} is {availability:?}, but chosen: {chosen:?}"),
        }
    }
}

#[test]
fn auto_is_the_first_that_works() {
    let selection = select("auto", &Settings::default()).expect("epoll works on every Linux");
    let refused = backends().into_iter().take_while(|(_, availability)| !availability.is_yes());
    let refused: Vec<_> = refused.map(|(name, why)| (name, why.to_string())).collect();
    assert_eq!(selection.passed_over, refused);
    assert_eq!(Auto::probe(), Availability::Yes(selection.name.to_owned()));
    moves_bytes(selection);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    for name in ["kqueue", "", "Epoll", "epoll "] {
        let error = select(name, &Settings::default()).expect_err("there is no such backend");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(matches!(error.cause(), Cause::UnknownBackend { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("{name:?}")), "{text}");
        assert!(text.contains("auto, uring, epoll, blocking"), "{text}");
    }
}

#[test]
fn a_listener_is_shared_on_its_own_backend_only() {
    let [epoll, blocking] = ["epoll", "blocking"].map(|name| {
        select(name, &Settings::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    let (epoll, blocking, _drivers) =
        (epoll.transport, blocking.transport, [epoll.driver, blocking.driver]);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = Address::path(directory.path().join("s")).expect("short");
    let listener = epoll.listen(&address, &ListenOptions::new()).expect("nothing is there");
    epoll.share_listener(&listener).expect("it is its own");
    let error = blocking.share_listener(&listener).expect_err("it is another's");
    assert!(matches!(error.cause(), Cause::OtherBackend), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.address(), Some(&address));
}

#[test]
fn the_variable_overrides_the_default() {
    let value = Some(OsStr::new("epoll"));
    in_child("the_variable_overrides_the_default", value, || {
        let selection = select_from_environment("blocking", &Settings::default());
        assert_eq!(selection.expect("epoll works").name, "epoll");
        let selection = select("blocking", &Settings::default());
        assert_eq!(selection.expect("blocking works").name, "blocking", "select does not heed it");
    });
}

#[test]
fn an_unset_variable_leaves_the_default() {
    in_child("an_unset_variable_leaves_the_default", None, the_default_stays);
}

#[test]
fn an_empty_variable_is_as_if_unset() {
    in_child("an_empty_variable_is_as_if_unset", Some(OsStr::new("")), the_default_stays);
}

fn the_default_stays() {
    let selection = select_from_environment("blocking", &Settings::default());
    assert_eq!(selection.expect("blocking works").name, "blocking");
}

#[test]
fn an_unknown_value_names_the_variable() {
    let value = Some(OsStr::new("kqueue"));
    in_child("an_unknown_value_names_the_variable", value, the_variable_is_blamed);
}

#[test]
fn a_value_that_is_not_utf8_names_the_variable() {
    let value = Some(OsStr::from_bytes(b"epoll\xff"));
    in_child("a_value_that_is_not_utf8_names_the_variable", value, the_variable_is_blamed);
}

fn the_variable_is_blamed() {
    let error = select_from_environment("blocking", &Settings::default()).expect_err("no name");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains(VARIABLE), "{error}");
}

#[test]
fn a_filter_that_answers_eperm_is_the_reason() {
    in_child("a_filter_that_answers_eperm_is_the_reason", None, || refused_with(libc::EPERM));
}

#[test]
fn a_filter_that_answers_enosys_is_the_reason() {
    in_child("a_filter_that_answers_enosys_is_the_reason", None, || refused_with(libc::ENOSYS));
}

/// Forbids io_uring: `auto` goes on to epoll and says why, `uring` is an error that says the same.
fn refused_with(errno: libc::c_int) {
    refuse_io_uring(errno);
    let cause = io::Error::from_raw_os_error(errno).to_string();

    let selection = select("auto", &Settings::default()).expect("epoll needs no ring");
    assert_eq!(selection.name, "epoll");
    let [("uring", why)] = &*selection.passed_over else {
        panic!("uring alone was passed over: {:?}", selection.passed_over);
    };
    assert!(why.contains(&cause), "{why:?} says {cause:?}");

    let error = select("uring", &Settings::default()).expect_err("the filter forbids it");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(matches!(error.cause(), Cause::Unavailable(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("uring") && text.contains(&cause), "{text:?} says {cause:?}");
    assert_eq!(backends()[0], ("uring", Availability::No(why.clone())));
    moves_bytes(selection);
}

/// From now on all system calls of io_uring answer `errno` to this thread.
fn refuse_io_uring(errno: libc::c_int) {
    let calls = [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];
    let rules: BTreeMap<_, _> = calls.map(|call| (call, Vec::new())).into();
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    let machine = env::consts::ARCH.try_into().expect("an architecture with seccomp");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, machine);
    let program: BpfProgram =
        filter.expect("three rules without conditions").try_into().expect("it is short");
    seccompiler::apply_filter(&program).expect("a thread may restrict itself");
}

/// An echo on the chosen backend, of more than a socket holds.
fn moves_bytes(selection: Selection) {
    assert!(selection.driver.home().is_some(), "a runtime's tasks wait at home on each");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = Address::path(directory.path().join("s")).expect("short");
    let mut runtime = Runtime::<Auto>::from_parts(selection.transport, selection.driver);
    let transport = runtime.transport().clone();
    let options = ListenOptions::new().cleanup(Cleanup::Remove);
    let mut listener = transport.listen(&address, &options).expect("nothing is there");
    let bytes: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();

    let server = runtime.spawn(async move {
        let (mut connection, _) = listener.accept().await?;
        loop {
            let chunk = connection.recv().await?;
            if chunk.is_empty() {
                return connection.close_write().await;
            }
            connection.send_all(chunk).await?;
        }
    });
    let tasks = runtime.handle();
    let answered = runtime.block_on(async {
        let client = transport.connect(&address, &Default::default()).await.expect("it listens");
        let (mut reading, mut writing) = client.split();
        let sent = bytes.clone();
        let writer = tasks.spawn(async move { writing.write_all(&sent).await });
        let mut answer = vec![0; bytes.len()];
        reading.read_exact(&mut answer).await.expect("the server answers");
        writer.await.expect("the server reads");
        server.await.expect("the end of the stream follows");
        answer
    });
    assert!(answered == bytes, "what came back is what was sent");
}

/// Runs `body` in a process of its own, where [`VARIABLE`] has this value: the parent starts the
/// test named `test` once more, and the child, which knows itself by a variable, runs the body.
fn in_child(test: &str, value: Option<&OsStr>, body: fn()) {
    const CHILD: &str = "SELECTION_TEST_CHILD";
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let mut command = Command::new(env::current_exe().expect("the running program has a path"));
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "1").env_remove(VARIABLE);
    command.envs(value.map(|value| (VARIABLE, value)));
    let output = command.output().expect("it can run again");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("1 passed"), "the test runs under its own name: {printed}");
}
