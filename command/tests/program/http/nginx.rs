//! nginx in front, as a proxy: every request is answered, and every answer is the right one.
//!
//! `HTTP_REQUESTS=200000 cargo test --release -p command --test program -- nginx --nocapture` is
//! the long form, of so many requests for each backend.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Instant;

use super::Site;
use crate::support::{PATIENCE, backends, skip, wait_until};

/// How many connections nginx has to serve at once.
const CLIENTS: u64 = 8;

const PAGE: &str = "a page of some words\n";

#[test]
fn nginx_proxies_every_request() {
    let requests = env::var("HTTP_REQUESTS").map_or(5000, |text| text.parse().expect("a number"));
    for backend in backends() {
        let site = Site::start(backend, &[]);
        site.put("page.txt", PAGE);
        let Some(nginx) = Nginx::start(site.directory.path()) else { return };
        let begin = Instant::now();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let share = requests / CLIENTS + u64::from(client < requests % CLIENTS);
                let front = &nginx.front;
                scope.spawn(move || ask(front, share));
            }
        });
        let took = begin.elapsed();
        println!("{backend}: {requests} requests through nginx in {took:.1?}");
        assert_eq!(nginx.errors(), "", "{backend}");
        drop(nginx);
        let ended = site.server.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
        let bytes = requests * PAGE.len() as u64;
        let totals = format!(" connections, {requests} requests, {bytes} bytes\n");
        assert!(ended.output.ends_with(&totals), "{backend}: {}", ended.output);
        assert_eq!(ended.errors, "");
    }
}

/// Asks so many times on one connection. Each answer must be the page.
fn ask(front: &Path, requests: u64) {
    let mut stream = UnixStream::connect(front).expect("nginx listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a legal timeout");
    let mut answers = BufReader::new(stream.try_clone().expect("room for a descriptor"));
    for number in 0..requests {
        stream.write_all(b"GET /page.txt HTTP/1.1\r\nHost: here\r\n\r\n").expect("nginx reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(answers.read_line(&mut head).expect("nginx answers"), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "request {number}: {head}");
        let mut page = vec![0; PAGE.len()];
        answers.read_exact(&mut page).expect("nginx answers");
        assert_eq!(page, PAGE.as_bytes(), "request {number}");
    }
}

/// A running nginx, one process. Dropping it ends it.
struct Nginx {
    child: Child,
    front: PathBuf,
    log: PathBuf,
}

impl Nginx {
    /// Proxies from the socket `front` to the socket `socket`, both in `directory`; `None` if it
    /// is not installed.
    fn start(directory: &Path) -> Option<Nginx> {
        let (front, log) = (directory.join("front"), directory.join("nginx.log"));
        let configuration = directory.join("nginx.conf");
        fs::write(&configuration, configured(directory)).expect("a new file");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory).arg("-c").arg(&configuration).arg("-e").arg(&log);
        let Ok(child) = command.spawn() else {
            skip("nginx is not installed (apt-get install nginx-light)");
            return None;
        };
        let mut nginx = Nginx { child, front, log };
        wait_until("nginx listens", || {
            let ended = nginx.child.try_wait().expect("a child");
            assert!(ended.is_none(), "nginx: {}", nginx.errors());
            UnixStream::connect(&nginx.front).is_ok()
        });
        Some(nginx)
    }

    fn errors(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// One process that keeps connections to the server, whose number of requests has nginx's own
/// limit of 1000, so that there are many.
fn configured(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/nginx;
    proxy_temp_path {directory}/nginx;
    fastcgi_temp_path {directory}/nginx;
    uwsgi_temp_path {directory}/nginx;
    scgi_temp_path {directory}/nginx;
    upstream served {{
        server unix:{directory}/socket;
        keepalive 8;
    }}
    server {{
        listen unix:{directory}/front;
        location / {{
            proxy_pass http://served;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host here;
            # An error is to be seen, not tried again.
            proxy_next_upstream off;
        }}
    }}
}}
"
    )
}
