//! A Redis on a Unix socket, with its own clients through the proxy: nothing is lost.

use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Family, proxy};
use crate::support::{backends, directory, finish, is_installed, wait_until};

/// How many keys are set and read back.
const KEYS: usize = 2000;

/// A Redis; dropping it kills it.
struct Redis(Child);

impl Redis {
    fn start(directory: &Path) -> (Redis, String) {
        let path = directory.join("redis.sock");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]);
        command.arg(&path).arg("--dir").arg(directory).stdout(Stdio::null());
        let redis = Redis(command.spawn().expect("it is installed"));
        wait_until("redis listens", || UnixStream::connect(&path).is_ok());
        (redis, path.display().to_string())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A program that is ended if it hangs.
fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", program]);
    command
}

#[test]
fn redis_clients_lose_nothing() {
    let programs = [
        ("redis-server", "redis-server"),
        ("redis-cli", "redis-tools"),
        ("redis-benchmark", "redis-tools"),
    ];
    if !programs.into_iter().all(|(program, package)| is_installed(program, package)) {
        return;
    }
    let directory = directory();
    let (_redis, redis) = Redis::start(directory.path());
    for backend in backends() {
        for family in [Family::Tcp, Family::Unix] {
            let from = family.address(directory.path(), backend);
            let (server, address) = proxy(backend, &from, &redis, &[]);
            let reach = match address.strip_prefix("tcp:").and_then(|at| at.rsplit_once(':')) {
                Some((host, port)) => ["-h", host, "-p", port].map(str::to_owned).to_vec(),
                None => ["-s", &address].map(str::to_owned).to_vec(),
            };
            let (mut commands, mut answers) = ("FLUSHALL\n".to_owned(), "OK\n".to_owned());
            for key in 0..KEYS {
                let value = "v".repeat(key % 100 + 1);
                writeln!(commands, "SET key:{key} {value}{key}").expect("memory");
                answers += "OK\n";
            }
            for key in 0..KEYS {
                let value = "v".repeat(key % 100 + 1);
                writeln!(commands, "GET key:{key}").expect("memory");
                writeln!(answers, "{value}{key}").expect("memory");
            }
            commands += "DBSIZE\n";
            writeln!(answers, "{KEYS}").expect("memory");
            let output = finish(bounded("redis-cli").args(&reach), commands.as_bytes());
            assert!(output.stdout == answers.as_bytes(), "{backend}: {output:?}");

            let mut load = bounded("redis-benchmark");
            load.args(&reach).args(["-n", "5000", "-c", "50", "-P", "4", "-d", "1000", "--csv"]);
            let output = finish(load.args(["-t", "set,get,lpush"]), b"");
            assert!(output.status.success(), "{backend}: {output:?}");
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said.lines().count(), 4, "a head and three figures: {said}");
            let ended = server.stop();
            assert_eq!((ended.status.code(), &*ended.errors), (Some(0), ""), "{}", ended.output);
        }
    }
}
