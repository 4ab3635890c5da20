//! Errors: which operation on which address failed, and why, with the errno kept.
//!
//! Operations that set something up (listen, connect, adopt, open) return [`Error`], which knows
//! the operation and the address. Operations on an open handle (accept, read, write) return
//! [`io::Error`], which keeps the errno by itself; the few errors that this library makes there
//! are named here. [`Error`] converts into [`io::Error`] with its kind kept.

use std::fmt;
use std::io;

use crate::address::{Address, AddressError};

/// The result of an operation that sets something up.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation, the address that it was about, and the cause (rule C2).
///
/// Its text is one line: `connect to /run/x.sock: connection refused (os error 111)`.
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    operation: &'static str,
    address: Option<Address>,
    cause: Cause,
}

/// Why an operation failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The system said so.
    System(io::Error),
    /// The address is not one.
    Address(AddressError),
    /// What is bound there is a socket of another type (datagram or seqpacket).
    WrongSocketType,
    /// The deadline passed.
    TimedOut,
    /// The backlog is full and the caller asked not to wait.
    BacklogFull,
    /// The options ask for something that this address can't have: abstract names have no mode
    /// and no file (rule A4), nothing listens on the unnamed address.
    NotForAddress(&'static str),
    /// The parent directory failed the check that the caller asked for (rule B4).
    UnsafeDirectory(&'static str),
    /// The descriptor is not what adopting it needs.
    WrongDescriptor(&'static str),
    /// The backend can't work here.
    Unavailable(String),
    /// No backend has this name.
    UnknownBackend {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The handle was made by another backend than the one that was asked to use it.
    OtherBackend,
    /// The driver is gone, so nothing would ever wake.
    DriverGone,
}

impl Error {
    /// An error of `operation` (a verb phrase: "connect to", "listen on") at `address`.
    #[must_use]
    pub fn new(
        operation: &'static str,
        address: Option<&Address>,
        cause: impl Into<Cause>,
    ) -> Error {
        let inner = Inner { operation, address: address.cloned(), cause: cause.into() };
        Error { inner: Box::new(inner) }
    }

    /// The operation: "listen on", "connect to", "adopt", "open".
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.inner.operation
    }

    /// The address, where there was one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.inner.address.as_ref()
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.inner.cause
    }

    /// The errno, where the system gave one.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match &self.inner.cause {
            Cause::System(error) => error.raw_os_error(),
            Cause::WrongSocketType => Some(libc::EPROTOTYPE),
            Cause::Address(AddressError::CurrentDirectory { errno }) => *errno,
            _ => None,
        }
    }

    /// Whether it failed for want of descriptors (EMFILE, ENFILE): a matter of the moment, which
    /// says nothing about the operation itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
    }

    /// The kind, as [`io::Error`] has it; the same on every backend (rule X2).
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match &self.inner.cause {
            Cause::System(error) => error.kind(),
            Cause::TimedOut => io::ErrorKind::TimedOut,
            Cause::BacklogFull => io::ErrorKind::WouldBlock,
            Cause::UnsafeDirectory(_) => io::ErrorKind::PermissionDenied,
            Cause::Unavailable(_) => io::ErrorKind::Unsupported,
            Cause::DriverGone => io::ErrorKind::NotConnected,
            Cause::Address(_)
            | Cause::WrongSocketType
            | Cause::NotForAddress(_)
            | Cause::WrongDescriptor(_)
            | Cause::UnknownBackend { .. }
            | Cause::OtherBackend => io::ErrorKind::InvalidInput,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, address, cause } = &*self.inner;
        match address {
            Some(address) => write!(f, "{operation} {address}: {cause}"),
            None => write!(f, "{operation}: {cause}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::System(error) => match error.raw_os_error() {
                Some(libc::EADDRINUSE) => {
                    write!(f, "address in use (os error {})", libc::EADDRINUSE)
                }
                Some(libc::ECONNREFUSED) => write!(
                    f,
                    "connection refused: nothing listens there (os error {})",
                    libc::ECONNREFUSED
                ),
                _ => error.fmt(f),
            },
            Cause::Address(error) => error.fmt(f),
            Cause::WrongSocketType => {
                write!(f, "a socket of another type is bound there (os error {})", libc::EPROTOTYPE)
            }
            Cause::TimedOut => f.write_str("timed out while the backlog was full"),
            Cause::BacklogFull => f.write_str("the backlog is full"),
            Cause::NotForAddress(what)
            | Cause::UnsafeDirectory(what)
            | Cause::WrongDescriptor(what) => f.write_str(what),
            Cause::Unavailable(why) => f.write_str(why),
            Cause::UnknownBackend { name, known } => {
                write!(f, "no backend is called {name:?}; there are {}", known.join(", "))
            }
            Cause::OtherBackend => f.write_str("it belongs to another backend"),
            Cause::DriverGone => f.write_str("the driver is gone"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.cause {
            Cause::System(error) => Some(error),
            Cause::Address(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Cause {
        Cause::System(error)
    }
}

impl From<nix::errno::Errno> for Cause {
    fn from(errno: nix::errno::Errno) -> Cause {
        Cause::System(errno.into())
    }
}

impl From<AddressError> for Cause {
    fn from(error: AddressError) -> Cause {
        Cause::Address(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// What an operation on an open handle answers after the handle was closed by this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed by this program")
    }
}

impl std::error::Error for Closed {}

/// The error of an operation on a handle that this program closed (rule L3); its kind is
/// [`NotConnected`](io::ErrorKind::NotConnected).
#[must_use]
pub fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, Closed)
}

/// Whether `error` says that this program itself closed the handle: what ends an accept loop.
#[must_use]
pub fn is_closed(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Closed>())
}

/// The error of an operation whose deadline passed (rule S6).
#[must_use]
pub fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the deadline passed")
}

/// The error of an operation whose driver was dropped (conformance case 84).
#[must_use]
pub fn driver_gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the driver is gone")
}

/// The error of something that this backend or kernel can't do.
#[must_use]
pub fn unsupported(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what)
}

/// Whether an accept failed for want of a resource (EMFILE, ENFILE, ENOBUFS, ENOMEM): no
/// connection was lost, and accepting again, which first waits a little, is right (rule L6).
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
