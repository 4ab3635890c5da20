//! Why something is not an address: checked when the value is made, before any side effect.

use std::fmt;
use std::io;

/// Why bytes are not an address. Converts into an [`io::Error`] of kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The path is empty; the kernel would choose a name by itself (rule A6).
    Empty,
    /// The path has a NUL byte, at which the kernel would cut it off without a word.
    Nul {
        /// Where, counted from 0.
        position: usize,
    },
    /// Longer than the kernel takes.
    TooLong {
        /// The length that was asked for, in bytes, after a relative path was completed.
        length: usize,
        /// The length that is possible, in bytes.
        limit: usize,
    },
    /// An abstract name must begin with a NUL byte.
    NoLeadingNul,
    /// This platform has no abstract names.
    AbstractUnsupported,
    /// A relative path could not be completed, because the current directory is unknown.
    CurrentDirectory {
        /// Why, as the system said it.
        errno: Option<i32>,
    },
    /// The text form has a backslash that is not followed by `\`, `@`, `0` or `xHH`.
    BadEscape {
        /// Where the backslash stands, counted in bytes from 0.
        position: usize,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Empty => f.write_str("the path is empty"),
            AddressError::Nul { position } => {
                write!(f, "the path has a NUL byte at position {position}")
            }
            AddressError::TooLong { length, limit } => {
                write!(f, "too long: {length} bytes where {limit} are possible")
            }
            AddressError::NoLeadingNul => {
                f.write_str("an abstract name must begin with a NUL byte")
            }
            AddressError::AbstractUnsupported => f.write_str("this platform has no abstract names"),
            AddressError::CurrentDirectory { errno } => {
                f.write_str("the path is relative and the current directory is unknown")?;
                match errno {
                    Some(errno) => write!(f, ": {}", io::Error::from_raw_os_error(*errno)),
                    None => Ok(()),
                }
            }
            AddressError::BadEscape { position } => {
                write!(
                    f,
                    "the backslash at position {position} begins no escape (\\\\, \\@, \\0, \\xHH)"
                )
            }
        }
    }
}

impl std::error::Error for AddressError {}

impl From<AddressError> for io::Error {
    fn from(error: AddressError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
