//! What goes to standard output, and how it is worded.

use std::fmt;
use std::io::{self, Write as _};

use crate::failure::{Failure, Result};

/// Writes one text and a line's end to standard output, at once.
///
/// # Errors
/// [`Failure::OutputClosed`] if nobody reads it; anything else as a failed operation.
pub fn print(text: impl fmt::Display) -> Result<()> {
    let mut output = io::stdout().lock();
    let written = output.write_all(format!("{text}\n").as_bytes()).and_then(|()| output.flush());
    written.map_err(|error| Failure::of_output(&error))
}

/// `1 thread`, `3 threads`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
