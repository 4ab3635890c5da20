//! Programs of others as clients.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::server::Server;
use crate::skip;

/// The checksum of what `/big` answers, by another program:
///
/// ```python
/// import hashlib
/// page, sum = bytearray((at * 31 + 7) % 256 for at in range(4096)), hashlib.sha256()
/// for number in range(1 << 18):
///     page[:8] = number.to_bytes(8, "little")
///     sum.update(page)
/// print(sum.hexdigest())
/// ```
const BIG_SHA256: &str = "976fd51ae133a87d46e067b6f7423f9c137bcbe29d765712543f83501910ff38";

pub(crate) fn curl(server: &mut Server) {
    let Some(answer) = run_curl(server, &["--include", "http://here/"]) else { return };
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
}

pub(crate) fn curl_with_http_2(server: &mut Server) {
    let arguments = ["--http2-prior-knowledge", "--write-out", " %{http_version}", "http://here/"];
    let Some(answer) = run_curl(server, &arguments) else { return };
    assert_eq!(answer, "hello 2");
}

/// What curl says of the server.
fn run_curl(server: &Server, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--unix-socket"]);
    let output = finish(command.arg(server.path()).args(arguments), "curl")?;
    Some(String::from_utf8(output.stdout).expect("text"))
}

/// Several requests on one connection of `http.client`; a body goes there and comes back.
pub(crate) fn python(server: &mut Server) {
    let output = run_script(server, "python3", "client.py", include_str!("client.py"));
    assert!(output.is_none_or(|said| said == "1 connection, 8388608 bytes\n"));
}

/// A request written by hand in Racket, to its `unix-socket-connect`.
pub(crate) fn racket(server: &mut Server) {
    let Some(said) = run_script(server, "racket", "client.rkt", include_str!("client.rkt")) else {
        return;
    };
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
    assert!(said.ends_with("\r\n\r\nhello"), "{said}");
}

/// Runs `source` with the socket's path, and answers what it said.
fn run_script(server: &Server, program: &str, file: &str, source: &str) -> Option<String> {
    let file = server.directory().join(file);
    fs::write(&file, source).expect("the directory is the test's own");
    let mut command = Command::new(program);
    let output = finish(command.arg(file).arg(server.path()), program)?;
    Some(String::from_utf8(output.stdout).expect("text"))
}

/// 1 GiB, made as it is sent, of which the client checks every byte.
pub(crate) fn download(server: &mut Server) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "300", "--unix-socket"]);
    curl.arg(server.path()).arg("http://here/big").stdout(Stdio::piped());
    let Some(mut curl) = started(curl.spawn(), "curl") else { return };
    let mut sum = Command::new("sha256sum");
    sum.stdin(curl.stdout.take().expect("piped"));
    let sum = sum.output().expect("part of every system");
    assert!(curl.wait().expect("a child").success(), "curl fails");
    let sum = String::from_utf8(sum.stdout).expect("text");
    assert_eq!(sum.split(' ').next(), Some(BIG_SHA256), "the bytes of {}", crate::app::BIG);
}

/// Runs `command` to its end, which must be a good one; `None` if it is not installed.
fn finish(command: &mut Command, program: &str) -> Option<Output> {
    let output = started(command.output(), program)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {errors}");
    Some(output)
}

/// Says how to install what could not be started.
fn started<T>(starting: std::io::Result<T>, program: &str) -> Option<T> {
    if starting.is_err() {
        skip(format_args!("{program} is not installed (apt-get install {program})"));
    }
    starting.ok()
}
