//! Listening sockets that a service manager made, and passed to this program: `LISTEN_FDS`.
//!
//! The protocol is that of sd_listen_fds(3). The manager (systemd, `systemd-socket-activate`
//! and others) leaves listening sockets open as the descriptors from 3 on, and says in `LISTEN_FDS`
//! how many they are, in `LISTEN_FDNAMES` what they are called, and in `LISTEN_PID` whom they are
//! for. [`Transport::adopt_listener`](crate::Transport::adopt_listener) makes a listener of each;
//! its file belongs to the manager, and is never removed.
//!
#![cfg_attr(feature = "epoll", doc = "```no_run")]
#![cfg_attr(not(feature = "epoll"), doc = "```ignore")]
//! use unix_transport::{AdoptOptions, Epoll, Runtime, Transport, activation};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::<Epoll>::new(&Default::default())?;
//! for (name, socket) in activation::listeners()? {
//!     let listener = runtime.transport().adopt_listener(socket, &AdoptOptions::new())?;
//!     println!("{name}: {listener:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! Each socket is given out once, to whoever asks first: this is the one thing in the library that
//! the whole process shares, because so are its descriptors. The variables stay as they are, since
//! changing the environment is not safe in a program with threads. Child processes don't take them
//! for theirs: `LISTEN_PID` names another, and the sockets are close-on-exec from the call on.
#![expect(unsafe_code, reason = "owns descriptors that are passed by number")]

use std::env;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::process;
use std::sync::{Mutex, PoisonError};

use socket2::SockRef;

/// How many descriptors were passed.
const FDS: &str = "LISTEN_FDS";
/// Their names, with colons between them.
const NAMES: &str = "LISTEN_FDNAMES";
/// The process that they are for.
const PID: &str = "LISTEN_PID";

/// The first descriptor that is passed.
const FIRST: RawFd = 3;

/// The name of each socket where the manager gives none, as sd_listen_fds(3) has it.
const NAMELESS: &str = "unknown";

/// What was passed and not given out yet; `None` before the first look.
static PASSED: Mutex<Option<Vec<(String, OwnedFd)>>> = Mutex::new(None);

/// All sockets that were passed and not taken yet, each with its name, in the manager's order;
/// none the second time. Several may have one name; without `LISTEN_FDNAMES` all are called
/// "unknown". They are close-on-exec from now on. Does not block.
///
/// There are none, too, if `LISTEN_PID` names another process, which the variables were inherited
/// from, or if it or `LISTEN_FDS` is not set: the program was started by hand.
///
/// Any listening socket may be passed, also one of TCP, which `std` can take; only adopting it
/// asks for a Unix stream socket. What this program opened itself is told from what was passed by
/// its close-on-exec flag, which everything in Rust has; so call this before foreign code opens
/// listening sockets without that flag.
///
/// # Errors
/// `InvalidData` if a variable is not what it should be, or a descriptor is not open, is not a
/// listening socket, or was opened by this program itself. The text names the variable, its value
/// and what is wrong. All descriptors are then left as they are, and the next call looks again.
pub fn listeners() -> io::Result<Vec<(String, OwnedFd)>> {
    with_passed(std::mem::take)
}

/// The first socket called `name` that was not taken yet. The others stay for later calls.
///
/// # Errors
/// `NotFound` if there is none; the text says what there was instead, or why nothing was passed.
/// Else as [`listeners`].
pub fn take(name: &str) -> io::Result<OwnedFd> {
    let taken = with_passed(|passed| {
        let place = passed.iter().position(|(its_name, _)| its_name == name)?;
        Some(passed.remove(place).1)
    })?;
    taken.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, absence(name)))
}

/// Gives `taking` what was passed and not given out, which is looked for the first time.
fn with_passed<T>(taking: impl FnOnce(&mut Vec<(String, OwnedFd)>) -> T) -> io::Result<T> {
    // Nothing panics while it holds the lock.
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let passed = match &mut *passed {
        Some(passed) => passed,
        unknown => unknown.insert(inspect()?),
    };
    Ok(taking(passed))
}

/// Looks at everything first, and owns it then: what fails has closed nothing.
fn inspect() -> io::Result<Vec<(String, OwnedFd)>> {
    // Nothing of what is for another process matters here.
    if number(PID)?.is_none_or(|pid| pid.cast_unsigned() != process::id()) {
        return Ok(Vec::new());
    }
    let Some(count) = number(FDS)? else { return Ok(Vec::new()) };
    let too_many = || malformed(FDS, "no process has so many descriptors");
    let end = FIRST.checked_add(count).ok_or_else(too_many)?;
    for fd in FIRST..end {
        check(fd).map_err(|wrong| malformed(FDS, &format!("descriptor {fd} {wrong}")))?;
    }
    let names = names(count)?;
    Ok(names.into_iter().zip((FIRST..end).map(own)).collect())
}

/// The number that `variable` has; `None` if it is not set.
fn number(variable: &str) -> io::Result<Option<i32>> {
    let Some(text) = value(variable)? else { return Ok(None) };
    match text.parse() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => Err(malformed(variable, "it is not a number from 0 to 2147483647")),
    }
}

/// The names of `count` sockets.
fn names(count: i32) -> io::Result<Vec<String>> {
    let count = usize::try_from(count).unwrap_or(0);
    let Some(text) = value(NAMES)? else { return Ok(vec![NAMELESS.to_owned(); count]) };
    // No name at all has no colon either.
    let names: Vec<String> = match count {
        0 => Vec::new(),
        _ => text.split(':').map(str::to_owned).collect(),
    };
    match names.len() == count {
        true => Ok(names),
        false => {
            let wrong = format!("{} names for {FDS}={count}", names.len());
            Err(malformed(NAMES, &wrong))
        }
    }
}

fn value(variable: &str) -> io::Result<Option<String>> {
    match env::var(variable) {
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(malformed(variable, "it is not UTF-8")),
    }
}

/// Whether `fd` can be a socket that was passed; the error says what it is instead.
fn check(fd: RawFd) -> Result<(), String> {
    // SAFETY: reads the flags of a number, whatever it stands for, and touches no memory.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if flags == -1 {
        return Err("is not open".to_owned());
    }
    // What is close-on-exec can't have come through the exec that started this program: some part
    // of it owns that descriptor.
    if flags & libc::FD_CLOEXEC != 0 {
        return Err("was opened, or already taken, by this program".to_owned());
    }
    // SAFETY: it is open, and whoever could close it would have to own a descriptor that this
    // program neither opened nor took.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    match SockRef::from(&fd).is_listener() {
        Ok(true) => Ok(()),
        Ok(false) => Err("is a socket that does not listen".to_owned()),
        Err(e) if e.raw_os_error() == Some(libc::ENOTSOCK) => Err("is not a socket".to_owned()),
        Err(e) => Err(format!("is not usable: {e}")),
    }
}

/// Takes possession of `fd`, which was [checked](check), and makes it close-on-exec.
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: it is open and was passed to this program for it to own; it is not close-on-exec, as
    // everything is that another part of the program owns, and it is from here on.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // The flag of an open descriptor can be set.
    _ = SockRef::from(&fd).set_cloexec(true);
    fd
}

/// Why there is no socket called `name`.
fn absence(name: &str) -> String {
    let (fds, names, pid) = (shown(FDS), shown(NAMES), shown(PID));
    let this = process::id();
    format!(
        "no socket called {name:?} was passed, or it was taken: {fds}, {names}, {pid}, and this is process {this}"
    )
}

fn malformed(variable: &str, wrong: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {wrong}", shown(variable)))
}

fn shown(variable: &str) -> String {
    match env::var_os(variable) {
        Some(text) => format!("{variable}={text:?}"),
        None => format!("{variable} is not set"),
    }
}
