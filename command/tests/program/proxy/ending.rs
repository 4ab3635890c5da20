//! What a proxy refuses, what it bounds, and how it ends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

use super::{DIRECTIONS, Family, connect, echo, exchange, proxy, rest, try_connect};
use crate::support::{backends, contents, directory, one_line, run, wait_until};

#[test]
fn a_target_that_refuses_is_said_and_the_proxy_goes_on() {
    for backend in backends() {
        for (from, to) in DIRECTIONS {
            let directory = directory();
            let (listener, target) = to.listen(directory.path(), "server");
            drop(listener);
            let from = from.address(directory.path(), "proxy");
            let (server, address) = proxy(backend, &from, &target, &[]);
            for _ in 0..2 {
                // Without bytes that nobody reads it is the end of the stream, and no reset.
                match rest(&connect(&address)) {
                    Ok(0) => {}
                    other => panic!("{backend}: {other:?}"),
                }
            }
            let ended = server.stop();
            assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
            assert_eq!(
                ended.output,
                "relayed 2 connections, 0 bytes there, 0 back; 2 connections had no server\n"
            );
            let target = target.trim_start_matches("unix:");
            let line = match to {
                Family::Unix => {
                    format!("connect to {target}: connection refused: nothing listens there")
                }
                Family::Tcp => format!("connect to {target}: Connection refused"),
            };
            let line = format!("unix-transport: {line} (os error 111)\n");
            assert_eq!(ended.errors, line.repeat(2), "{backend}");
        }
    }
}

#[test]
fn a_target_that_appears_later_is_reached() {
    for backend in backends() {
        let directory = directory();
        let target = directory.path().join("echo");
        let from = Family::Unix.address(directory.path(), "proxy");
        let (server, address) = proxy(backend, &from, &target.display().to_string(), &[]);
        assert_eq!(rest(&connect(&address)).expect("the end"), 0);
        echo(Family::Unix, directory.path());
        exchange(&connect(&address), b"at last");
        let ended = server.stop();
        assert!(ended.errors.ends_with(": No such file or directory (os error 2)\n"));
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    }
}

#[test]
fn a_target_that_does_not_answer_is_given_up() {
    for backend in backends() {
        for family in [Family::Unix, Family::Tcp] {
            let directory = directory();
            let (full, target) = family.listen(directory.path(), "full");
            // Room for one who waits; nobody accepts.
            full.listen(0).expect("it listens");
            let _waiting = connect(&target);
            let from = Family::Unix.address(directory.path(), "proxy");
            let (server, address) = proxy(backend, &from, &target, &["--connect-timeout", "1"]);
            let begin = Instant::now();
            assert_eq!(rest(&connect(&address)).expect("the end"), 0, "{backend}");
            let took = begin.elapsed();
            assert!((900..4000).contains(&took.as_millis()), "{backend}: {took:?}");
            let ended = server.stop();
            let why = match family {
                Family::Unix => "timed out while the backlog was full\n",
                Family::Tcp => "the deadline passed\n",
            };
            assert!(ended.errors.ends_with(why), "{}", ended.errors);
        }
    }
}

#[test]
fn the_target_is_left_alone_until_a_client_comes() {
    for backend in backends() {
        for family in [Family::Unix, Family::Tcp] {
            let directory = directory();
            let (listener, target) = family.listen(directory.path(), "server");
            listener.set_nonblocking(true).expect("a socket");
            let from = Family::Unix.address(directory.path(), "proxy");
            let (server, _) = proxy(backend, &from, &target, &["--unlink", "--mode", "600"]);
            assert_eq!(server.stop().status.code(), Some(0));
            let nobody = listener.accept().expect_err("nobody came");
            assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
            assert!(!directory.path().join("proxy").exists());
        }
    }
}

#[test]
fn more_clients_than_allowed_wait_for_their_turn() {
    for backend in backends() {
        for (from, to) in DIRECTIONS {
            let directory = directory();
            let target = echo(to, directory.path());
            let from = from.address(directory.path(), "proxy");
            let (server, address) = proxy(backend, &from, &target, &["--max-connections", "2"]);
            let (first, second) = (connect(&address), connect(&address));
            exchange(&first, b"first");
            exchange(&second, b"second");
            let mut third = connect(&address);
            third.write_all(b"third").expect("it waits");
            // Time enough for whoever would relay it.
            for _ in 0..200 {
                exchange(&first, b"first");
                exchange(&second, b"second");
            }
            third.set_nonblocking(true).expect("a socket");
            let waits = third.read(&mut [0]).expect_err("it waits");
            assert_eq!(waits.kind(), ErrorKind::WouldBlock, "{backend}");
            third.set_nonblocking(false).expect("a socket");
            drop(first);
            let mut back = [0; 5];
            third.read_exact(&mut back).expect("it is relayed");
            assert_eq!(&back, b"third");
            drop((second, third));
            assert!(server.stop().output.starts_with("relayed 3 connections, "));
        }
    }
}

#[test]
fn who_is_relayed_or_waits_is_served_to_the_end() {
    for backend in backends() {
        for (from, to) in DIRECTIONS {
            let directory = directory();
            let target = echo(to, directory.path());
            let at = from.address(directory.path(), "proxy");
            let (mut server, address) = proxy(backend, &at, &target, &["--max-connections", "1"]);
            let client = connect(&address);
            exchange(&client, b"before");
            let queued = connect(&address);
            server.signal(Signal::SIGTERM);
            exchange(&client, b"after");
            drop(client);
            exchange(&queued, b"queued");
            queued.shutdown(Shutdown::Write).expect("it is connected");
            assert_eq!(rest(&queued).expect("the end"), 0);
            let ended = server.wait();
            let totals = "relayed 2 connections, 17 bytes there, 17 back\n";
            assert_eq!((ended.status.code(), &*ended.output), (Some(0), totals), "{backend}");
            assert_eq!(ended.errors, "");
        }
    }
}

#[test]
fn who_comes_after_the_signal_is_refused() {
    for backend in backends() {
        for family in [Family::Unix, Family::Tcp] {
            let directory = directory();
            let target = echo(Family::Unix, directory.path());
            let from = family.address(directory.path(), "proxy");
            let (mut server, address) = proxy(backend, &from, &target, &[]);
            let client = connect(&address);
            exchange(&client, b"before");
            server.signal(Signal::SIGTERM);
            wait_until("it takes no new clients", || try_connect(&address).is_err());
            exchange(&client, b"after");
            drop(client);
            assert_eq!(server.wait().status.code(), Some(0), "{backend}");
        }
    }
}

#[test]
fn who_stays_for_too_long_is_cut_off() {
    for backend in backends() {
        for (from, to) in [(Family::Unix, Family::Tcp), (Family::Tcp, Family::Unix)] {
            for signals in [1, 2] {
                let directory = directory();
                let target = echo(to, directory.path());
                let from = from.address(directory.path(), "proxy");
                let (mut server, address) = proxy(backend, &from, &target, &[]);
                let client = connect(&address);
                exchange(&client, b"x");
                let begin = Instant::now();
                server.signal(Signal::SIGINT);
                exchange(&client, b"y");
                if signals == 2 {
                    server.signal(Signal::SIGINT);
                }
                let ended = server.wait();
                let took = begin.elapsed();
                match signals {
                    1 => assert!(took > Duration::from_millis(1900), "{took:?}"),
                    _ => assert!(took < Duration::from_millis(1900), "{took:?}"),
                }
                assert!(took < Duration::from_secs(4), "{took:?}");
                assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
                assert!(ended.output.ends_with("; 1 connection did not end in time\n"));
                assert!(matches!(rest(&client), Ok(0) | Err(_)));
            }
        }
    }
}

#[test]
fn what_cannot_be_listened_on_is_said() {
    let directory = directory();
    for backend in backends() {
        for (family, busy) in
            [(Family::Unix, "address in use"), (Family::Tcp, "Address already in use")]
        {
            let (_busy, address) = family.listen(directory.path(), backend);
            let said = one_line(&run(["proxy", &address, "@nowhere", "--backend", backend]), 1);
            let address = address.trim_start_matches("unix:");
            assert_eq!(said, format!("unix-transport: listen on {address}: {busy} (os error 98)"));
        }
    }
    let said = one_line(&run(["proxy", "@unix-transport-test-proxy", "tcp:nowhere.invalid:1"]), 1);
    assert!(said.starts_with("unix-transport: look up tcp:nowhere.invalid:1: "), "{said}");
    // Only the files of those that were busy.
    assert_eq!(contents(directory.path()).len(), backends().len());
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for (arguments, hint) in [
        (&["tcp:localhost", "/x"][..], "'tcp:localhost' for '<FROM>': it has no port"),
        (&["/x", "tcp:localhost:99999"], "\"99999\" is not a port from 0 to 65535"),
        (&["/x", "tcp::80"], "it has no host"),
        (&["/x", "tcp:::1:80"], "in brackets, as [::1]"),
        (&["/x", ""], "'<TO>'"),
        (&["/x"], "<TO>"),
        (&["/x", "/y", "--max-connections", "0"], "--max-connections"),
        (&["/x", "/y", "--backend", "kqueue"], "'kqueue'"),
        (&["tcp:127.0.0.1:0", "/y", "--unlink"], "FROM that is a file"),
    ] {
        let said = one_line(&run(["proxy"].iter().chain(arguments)), 2);
        assert!(said.contains(hint), "{said}");
    }
    let long = format!("unix:/{}", "x".repeat(200));
    let said = one_line(&run(["proxy", &long, "/y"]), 2);
    assert!(said.contains("108"), "{said}");
}

#[test]
fn a_socket_of_another_type_is_no_target() {
    let directory = directory();
    let path = directory.path().join("datagram");
    let datagram = Socket::new(Domain::UNIX, Type::DGRAM, None).expect("a socket");
    datagram.bind(&socket2::SockAddr::unix(&path).expect("short")).expect("a free path");
    for backend in backends() {
        let from = Family::Tcp.address(directory.path(), "proxy");
        let (server, address) = proxy(backend, &from, &path.display().to_string(), &[]);
        assert!(matches!(rest(&connect(&address)), Ok(0) | Err(_)));
        let said = server.stop().errors;
        assert!(said.contains("a socket of another type is bound there (os error 91)"), "{said}");
    }
}
