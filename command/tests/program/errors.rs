//! Bad input: one line, the right exit code, and nothing left behind.

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::support::{PROGRAM, Server, backends, contents, directory, finish, one_line, run};

#[test]
fn a_path_that_is_too_long_says_how_long() {
    let directory = directory();
    let path = directory.path().join("x".repeat(150));
    let length = path.as_os_str().len();
    for backend in backends() {
        let said = one_line(&run(serve(backend, path.as_os_str())), 1);
        let expected = format!(
            "listen on {}: too long: {length} bytes where 108 are possible",
            path.display()
        );
        assert_eq!(said, format!("unix-transport: {expected}"));
    }
    let said = one_line(&run(["connect".into(), path.into_os_string()]), 1);
    assert!(said.contains(&format!(": too long: {length} bytes where 108 are possible")), "{said}");
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn other_illegal_addresses_say_what_is_wrong() {
    for (text, cause) in [
        ("", "'': the path is empty"),
        ("a\\0b", "a\\\\0b: the path has a NUL byte at position 1"),
        ("a\\q", "a\\\\q: the backslash at position 1 begins no escape"),
    ] {
        let said = one_line(&run(["serve", "echo", text]), 1);
        assert!(said.starts_with(&format!("unix-transport: listen on {cause}")), "{said}");
    }
}

#[test]
fn a_missing_directory_is_not_found() {
    let directory = directory();
    let path = directory.path().join("missing/socket");
    for backend in backends() {
        let said = one_line(&run(serve(backend, path.as_os_str())), 1);
        let expected =
            format!("listen on {}: No such file or directory (os error 2)", path.display());
        assert_eq!(said, format!("unix-transport: {expected}"));
    }
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn a_path_in_use_stays_in_use() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start("echo", backend, &path, &["--unlink"]);
        let said = one_line(&run(serve(backend, path.as_os_str())), 1);
        let expected = format!("listen on {}: address in use (os error 98)", path.display());
        assert_eq!(said, format!("unix-transport: {expected}"));
        let output = finish(Command::new(PROGRAM).arg("connect").arg(&path), b"still there");
        assert_eq!(output.stdout, b"still there");
        assert_eq!(server.stop().status.code(), Some(0));
    }
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn what_is_in_the_way_stays_as_it_is() {
    let directory = directory();
    let file = directory.path().join("file");
    let stale = directory.path().join("stale");
    fs::write(&file, "precious").expect("a file");
    drop(UnixListener::bind(&stale).expect("a socket file"));
    for backend in backends() {
        for path in [&file, &stale] {
            let mut arguments = serve(backend, path.as_os_str());
            arguments.push("--unlink".into());
            let said = one_line(&run(arguments), 1);
            assert!(said.ends_with(": address in use (os error 98)"), "{said}");
        }
    }
    assert_eq!(fs::read_to_string(&file).expect("it stays"), "precious");
    assert!(stale.exists());
}

#[test]
fn nothing_to_connect_to_is_said() {
    let directory = directory();
    let missing = directory.path().join("missing");
    let said = one_line(&run(["connect".as_ref(), missing.as_os_str()]), 1);
    assert!(said.ends_with("No such file or directory (os error 2)"), "{said}");
    let file = directory.path().join("file");
    fs::write(&file, "").expect("a file");
    let said = one_line(&run(["connect".as_ref(), file.as_os_str()]), 1);
    assert!(said.contains(&format!("connect to {}: connection refused", file.display())), "{said}");
}

#[test]
fn what_an_abstract_name_cannot_have_is_refused() {
    for option in ["--unlink", "--mode=600"] {
        let said = one_line(&run(["serve", "echo", "@unix-transport-test-refused", option]), 1);
        assert!(
            said.starts_with("unix-transport: listen on @unix-transport-test-refused: "),
            "{said}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for (arguments, hint) in [
        (&["serve", "echo", "/x", "--backend", "kqueue"][..], "'kqueue'"),
        (&["serve", "echo", "/x", "--mode", "888"], "octal"),
        (&["serve", "echo", "/x", "--threads", "0"], "--threads"),
        (&["serve", "echo"], "<PATH>"),
        (&["serve", "discard", "/x"], "'discard'"),
        (&["connect"], "<PATH>"),
        (&["frobnicate"], "'frobnicate'"),
        (&["--frobnicate"], "'--frobnicate'"),
    ] {
        let said = one_line(&run(arguments), 2);
        assert!(said.contains(hint), "{said}");
    }
    let mut command = Command::new("sh");
    command.args(["-c", "UNIX_TRANSPORT_BACKEND=kqueue exec \"$0\" serve echo /x", PROGRAM]);
    let said = one_line(&finish(&mut command, b""), 2);
    assert!(said.contains("'kqueue'") && said.contains("uring"), "{said}");
}

#[test]
fn help_and_a_closed_output_are_no_errors() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"], &["backends"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
        let mut command = Command::new("sh");
        // The reader may be gone before the first byte.
        command.args(["-c", "{ \"$0\" \"$@\"; echo \"exit code $?\" >&2; } | true", PROGRAM]);
        let output = finish(command.args(arguments), b"");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "exit code 0\n");
    }
}

fn serve(backend: &str, path: &std::ffi::OsStr) -> Vec<OsString> {
    ["serve".as_ref(), "echo".as_ref(), "--backend".as_ref(), backend.as_ref(), path]
        .map(OsString::from)
        .into()
}
