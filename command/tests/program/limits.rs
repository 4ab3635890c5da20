//! What the system refuses: descriptors, space, permission. One line each, and nothing left.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use nix::errno::Errno;
use nix::unistd::geteuid;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::support::{
    PROGRAM, Server, backends, contents, directory, finish, one_line, one_line_of,
};

/// A server that may have this many descriptors.
fn limited(descriptors: u32, backend: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""), PROGRAM]);
    command.args(["serve", "echo", "--backend", backend]).arg(path);
    command
}

#[test]
fn too_many_open_files_at_the_start() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        // Below 4 the program's libraries can't be loaded; from some number on it listens.
        let failures = (4..32).map_while(|limit| {
            let mut command = limited(limit, backend, &path);
            command.arg("--unlink");
            match Server::try_start(command, &path) {
                Ok(server) => {
                    assert_eq!(server.stop().status.code(), Some(0), "with {limit} descriptors");
                    None
                }
                Err(ended) => Some(one_line_of(ended.status, &ended.errors, 1)),
            }
        });
        let said: Vec<String> = failures.collect();
        assert!((1..28).contains(&said.len()), "{said:?}");
        for line in said {
            assert!(
                line.starts_with(&format!("unix-transport: listen on {}: ", path.display())),
                "{line}"
            );
            assert!(line.ends_with("(os error 24)"), "{line}");
        }
    }
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn too_many_open_files_later_is_said_once_and_loses_nobody() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let server = Server::start_command(limited(30, backend, &path), &path);
        let mut clients: Vec<UnixStream> = (0..60).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(b"hello").expect("it waits in the queue");
        }
        // All of them are open: there are more than it has descriptors for.
        server.wait_for_an_error();
        // First in, first out: those at the front are served, and make room for the others.
        for mut client in clients {
            let mut echo = [0; 5];
            client.read_exact(&mut echo).expect("it is served");
            assert_eq!(&echo, b"hello");
        }
        let ended = server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        assert_eq!(ended.errors.lines().count(), 1, "{backend}: {:?}", ended.errors);
        assert!(ended.errors.contains("(os error 24)"), "{:?}", ended.errors);
        assert!(ended.output.starts_with("served 60 connections, "), "{}", ended.output);
        fs::remove_file(&path).expect("it stays without --unlink");
    }
}

#[test]
fn no_space_for_the_socket_file() {
    let directory = directory();
    for backend in backends() {
        let path = directory.path().join(backend);
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "echo", "--unlink", "--backend", backend]).arg(&path);
        let said = one_line(&without_space(command), 1);
        let expected =
            format!("listen on {}: No space left on device (os error 28)", path.display());
        assert_eq!(said, format!("unix-transport: {expected}"));
    }
    assert!(contents(directory.path()).is_empty());
}

/// Runs `command` where `bind(2)` answers ENOSPC: a filter is for a thread and what it starts.
fn without_space(mut command: Command) -> Output {
    let rules = BTreeMap::from([(nix::libc::SYS_bind, Vec::new())]);
    let architecture = std::env::consts::ARCH.try_into().expect("a known architecture");
    let answer = SeccompAction::Errno(Errno::ENOSPC as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    let run = move || {
        seccompiler::apply_filter(&program).expect("the kernel has filters");
        finish(&mut command, b"")
    };
    thread::spawn(run).join().expect("it ends")
}

#[test]
fn a_denied_directory_stays_as_it_is() {
    let directory = directory();
    let denied = directory.path().join("denied");
    fs::create_dir(&denied).expect("a directory");
    fs::set_permissions(&denied, Permissions::from_mode(0o555)).expect("permissions");
    // Root may do everything, so it becomes nobody, who needs a program that nobody may run.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("permissions");
    let program = directory.path().join("program");
    fs::copy(PROGRAM, &program).expect("a copy");
    for backend in backends() {
        let path = denied.join(backend);
        let mut command = Command::new(&program);
        command.args(["serve", "echo", "--backend", backend]).arg(&path);
        if geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        let said = one_line(&finish(&mut command, b""), 1);
        let expected = format!("listen on {}: Permission denied (os error 13)", path.display());
        assert_eq!(said, format!("unix-transport: {expected}"));
    }
    assert!(contents(&denied).is_empty());
}
