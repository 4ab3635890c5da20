//! The command line: what can be asked for, and the help that teaches it.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{Args, Parser, ValueEnum};
use unix_transport::{Address, Cleanup, ListenOptions};

use crate::failure::{Failure, Result};
use crate::measure::generator::process;
use crate::proxy::Endpoint;

const EXAMPLES: &str = "\
Examples:
  unix-transport                                      compare the backends on this machine
  unix-transport backends                             which backends work here, or why not
  unix-transport serve echo /tmp/echo.sock --unlink   an echo server until Ctrl-C
  echo hello | unix-transport connect /tmp/echo.sock  a client of it
  unix-transport serve sink @sink --backend uring     a sink under the abstract name \"sink\"
  unix-transport proxy tcp:127.0.0.1:7 /tmp/echo.sock TCP clients for a Unix socket
  unix-transport http /tmp/http.sock --root .         the files here, for curl --unix-socket

Exit codes: 0 success, 1 the operation failed, 2 the command line is wrong.
An error is one line on standard error.";

const ADDRESSES: &str = "\
PATH is a file, such as /run/echo.sock or echo.sock, of at most 108 bytes; or, written @name, a
Linux abstract name, which has no file and no permissions. \\xHH writes any byte, \\\\ a backslash,
and \\@ begins a file name with @.";

const SERVICE_MANAGERS: &str = "\
With --activated the socket comes from systemd or another manager, by LISTEN_FDS, and its file is
the manager's: it is not removed.

Examples:
  unix-transport http /run/site.sock --root /srv/site --mode 0660
  curl --unix-socket /run/site.sock http://localhost/
  systemd-socket-activate -l /run/site.sock unix-transport http --activated --root /srv/site";

const ENDPOINTS: &str = "\
FROM and TO are unix:PATH, unix:@NAME for a Linux abstract name, or tcp:HOST:PORT; without a prefix
they are a Unix socket, as with serve. A host's name is looked up once, at the start. An IPv6
address is written tcp:[::1]:80; port 0, in FROM, is any free one.

One thread relays for all. The Unix side goes by the backend, and TCP waits for readiness on the
same one; blocking is ppoll(2) here.

Examples:
  unix-transport proxy tcp:127.0.0.1:6379 /run/redis.sock   a Redis without TCP, for TCP clients
  unix-transport proxy /run/db.sock tcp:db.lan:5432         the other way round
  unix-transport proxy unix:@old unix:/run/new.sock         a second name for a server";

/// Unix domain stream sockets over blocking system calls, epoll and io_uring.
///
/// Without a subcommand it compares the backends that work here: one echo server each, the same
/// load for all, every byte verified.
#[derive(Debug, Parser)]
#[command(name = "unix-transport", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do; without one, compare.
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,
    /// The options of compare, for the call without a subcommand.
    #[command(flatten)]
    pub compare: CompareOptions,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Show the backends: whether each works here, or why not
    Backends,
    /// Run an echo or sink server until SIGINT or SIGTERM
    ///
    /// It writes a line to standard output once it listens, and its totals at the end. On the
    /// first signal it takes no new connections, serves those that it has for at most 2 seconds,
    /// and exits with 0; a second signal ends it at once. It raises its limit of open files to
    /// the most that it may have.
    #[command(after_help = ADDRESSES)]
    Serve(ServeOptions),
    /// Connect standard input and output to a socket, like `nc -U`
    ///
    /// Input goes to the socket, whose writing direction closes when the input ends; what comes
    /// from the socket goes to standard output. Ends when the socket does.
    #[command(after_help = ADDRESSES)]
    Connect(ConnectOptions),
    /// Relay between sockets of Unix domain and TCP, in either direction
    ///
    /// FROM is listened on, and TO is connected to for each client: not before one comes. The end
    /// of one side's stream is passed on, and the answer still comes back. It writes a line to
    /// standard output once it listens, and its totals at the end; a client whose TO can't be
    /// reached is closed, with a line on standard error. On the first SIGINT or SIGTERM it accepts
    /// only those who wait already, relays for at most 2 seconds more, and exits with 0; a second
    /// signal ends it at once.
    #[command(after_help = ENDPOINTS)]
    Proxy(ProxyOptions),
    /// Serve the files of a folder over HTTP on a Unix socket
    ///
    /// It knows ranges, conditional requests and the types of files, by their names; a folder is
    /// its index.html. Nothing outside the folder is served: symbolic links are followed where
    /// they stay inside, and absolute ones are not. HTTP/1.1, and HTTP/2 for clients that begin with
    /// it. One thread serves all connections, in ppoll on blocking; others read the files. It
    /// writes a line to standard output once it listens, and its totals at the end. On the first
    /// SIGINT or SIGTERM it serves only what has begun and who waits already, for at most 2
    /// seconds, and exits with 0; a second signal ends it at once.
    #[command(after_help = SERVICE_MANAGERS)]
    Http(HttpOptions),
    /// Compare the backends on this machine
    Compare(CompareOptions),
    /// Load a server as standard input says, for a process that measures
    #[command(hide = true)]
    Generate(process::Options),
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// What to do with the bytes of a connection
    #[arg(
        value_name = "echo|sink",
        hide_possible_values = true,
        long_help = "\
What to do with the bytes of a connection: 'echo' sends them back; 'sink' reads to the end and \
answers with their count, 8 bytes, the lowest first"
    )]
    pub service: Service,
    /// Where to listen: a file, or @name for an abstract name
    pub path: OsString,
    /// How to listen.
    #[command(flatten)]
    pub listening: ListenArguments,
    /// How many threads accept and serve; blocking has one per connection whatever is said here
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// Look for work at most this long before sleeping, in microseconds (epoll, io_uring): less
    /// latency for more CPU time
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub spin: u32,
    /// Stop also when the process PID ends, which started this one and must not leave it behind
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<u32>,
}

/// How to proxy.
#[derive(Clone, Debug, Args)]
pub struct ProxyOptions {
    /// Where to listen
    #[arg(value_parser = OsStringValueParser::new().try_map(Endpoint::parse))]
    pub from: Endpoint,
    /// Where to connect to for each client
    #[arg(value_parser = OsStringValueParser::new().try_map(Endpoint::parse))]
    pub to: Endpoint,
    /// How to listen.
    #[command(flatten)]
    pub listening: ListenArguments,
    /// How many clients are relayed at a time; the others wait in the backlog [default: as many as
    /// open files allow, two for each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// How long connecting to TO may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub connect_timeout: u32,
}

/// How to serve files.
#[derive(Clone, Debug, Args)]
pub struct HttpOptions {
    /// Where to listen: a file, or @name for an abstract name
    #[arg(required_unless_present = "activated")]
    pub path: Option<OsString>,
    /// The folder whose files are served
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// How to listen.
    #[command(flatten)]
    pub listening: ListenArguments,
    /// Instead of PATH, serve on the one socket that a service manager passes
    #[arg(long, conflicts_with_all = ["path", "mode", "backlog", "unlink"])]
    pub activated: bool,
}

/// How to listen, for whatever serves there.
#[derive(Clone, Debug, Args)]
pub struct ListenArguments {
    /// How to wait for the kernel; 'auto' is uring if it works here, else epoll, else blocking
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        env = "UNIX_TRANSPORT_BACKEND",
        default_value = "auto"
    )]
    pub backend: BackendName,
    /// Permission bits of the socket file, in octal; connecting needs the write bit [default: 0600]
    #[arg(long, value_name = "OCTAL", value_parser = octal)]
    pub mode: Option<u32>,
    /// How many clients may wait to be accepted [default: the system's maximum]
    #[arg(long, value_name = "N")]
    pub backlog: Option<u32>,
    /// Remove the socket file at the end
    #[arg(long)]
    pub unlink: bool,
}

impl ListenArguments {
    /// The same for the library.
    #[must_use]
    pub fn options(&self) -> ListenOptions {
        let mut options = ListenOptions::new();
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        if let Some(backlog) = self.backlog {
            options = options.backlog(backlog);
        }
        if self.unlink {
            options = options.cleanup(Cleanup::Remove);
        }
        options
    }
}

/// What a server does with the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// Sends them back.
    Echo,
    /// Counts them, and answers the count.
    Sink,
}

/// As it is written on the command line.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Echo => "echo",
            Service::Sink => "sink",
        })
    }
}

/// A backend, or the best one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// The first that works of uring, epoll and blocking.
    Auto,
    /// Blocking system calls, a thread for each connection.
    Blocking,
    /// Readiness from epoll, a task for each connection.
    Epoll,
    /// Completions from io_uring, a task for each connection.
    Uring,
}

impl BackendName {
    /// The name, as the library has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BackendName::Auto => "auto",
            BackendName::Blocking => "blocking",
            BackendName::Epoll => "epoll",
            BackendName::Uring => "uring",
        }
    }
}

/// Where to connect.
#[derive(Clone, Debug, Args)]
pub struct ConnectOptions {
    /// Where a server listens: a file, or @name for an abstract name
    pub path: OsString,
}

/// How to compare.
#[derive(Clone, Debug, Args)]
pub struct CompareOptions {
    /// Write the figures as JSON
    #[arg(long)]
    pub json: bool,
    /// How long to measure in all, in seconds; longer is steadier
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub seconds: u16,
}

impl Arguments {
    /// Reads the command line. Where nothing is left to do, because it asked for help or because
    /// it is wrong, the answer was given and this is its exit code.
    ///
    /// # Errors
    /// That exit code.
    pub fn read() -> Result<Arguments, ExitCode> {
        Arguments::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                _ = error.print(); // whoever asked has left
                ExitCode::SUCCESS
            }
            _ => Failure::Usage(one_line(&error)).report(),
        })
    }
}

/// The address of `text`, for an operation like "listen on".
///
/// # Errors
/// If it is not one; the text says what was wrong with it.
pub fn address(operation: &str, text: &OsString) -> Result<Address> {
    Address::from_text(text.as_bytes()).map_err(|error| {
        let shown = match text.is_empty() {
            true => "''".to_owned(),
            false => text.as_bytes().escape_ascii().to_string(),
        };
        Failure::new(format_args!("{operation} {shown}"), error)
    })
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("permission bits are an octal number from 0 to 0777".to_owned()),
    }
}

/// What clap says, without its usage, as one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let end =
        ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|mark| text.find(mark)).min();
    let said = text[..end.unwrap_or(text.len())].trim_start_matches("error: ");
    let words: Vec<&str> = said.split_whitespace().collect();
    format!("{} (see --help)", words.join(" "))
}
