//! The form that people type and read: `/run/x.sock`, `@name`, escapes for every other byte.
//!
//! `\\` is a backslash, `\@` a leading `@` that is meant, `\0` a NUL byte, `\xHH` any byte.
//! What is shown can be typed again, and has no byte that could disturb a terminal.

use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use crate::address::{Address, AddressError};

impl Address {
    /// Reads the text form: `@name` is the abstract name `\0name`, anything else is a path.
    /// Takes bytes, because a path on the command line need not be UTF-8.
    ///
    /// # Errors
    /// [`AddressError::BadEscape`], and those of [`Address::path`] and
    /// [`Address::abstract_name`].
    pub fn from_text(text: impl AsRef<[u8]>) -> Result<Address, AddressError> {
        let text = text.as_ref();
        match text.strip_prefix(b"@") {
            Some(name) => {
                let mut bytes = vec![0];
                unescape(name, 1, &mut bytes)?;
                Address::abstract_name(bytes)
            }
            None => {
                let mut bytes = Vec::new();
                unescape(text, 0, &mut bytes)?;
                Address::path(std::ffi::OsStr::from_bytes(&bytes))
            }
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::from_text(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => escape(path.as_bytes(), f),
            Address::Abstract(name) => {
                f.write_char('@')?;
                escape(&name.as_bytes()[1..], f)
            }
            Address::Unnamed => f.write_str("(unnamed)"),
        }
    }
}

/// Writes `bytes` so that [`unescape`] gives them back: valid UTF-8 without control characters
/// stays, the rest is escaped.
pub(super) fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for part in bytes.utf8_chunks() {
        for character in part.valid().chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '\0' => f.write_str("\\0")?,
                shown if !shown.is_control() && !reorders(shown) => f.write_char(shown)?,
                hidden => {
                    for byte in hidden.encode_utf8(&mut [0; 4]).bytes() {
                        write!(f, "\\x{byte:02x}")?;
                    }
                }
            }
        }
        for byte in part.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Characters that change the direction or the place of other text on a terminal.
fn reorders(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn unescape(text: &[u8], offset: usize, into: &mut Vec<u8>) -> Result<(), AddressError> {
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            into.push(text[at]);
            at += 1;
            continue;
        }
        let (byte, length) = match text.get(at + 1..) {
            Some([b'\\', ..]) => (b'\\', 2),
            Some([b'@', ..]) => (b'@', 2),
            Some([b'0', ..]) => (0, 2),
            Some([b'x', high, low, ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => return Err(AddressError::BadEscape { position: at + offset }),
            },
            _ => return Err(AddressError::BadEscape { position: at + offset }),
        };
        into.push(byte);
        at += length;
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_text_form() {
        let mut name: Vec<u8> = vec![0];
        for chunk in (0..=255u8).collect::<Vec<_>>().chunks(100) {
            name.truncate(1);
            name.extend_from_slice(chunk);
            let address = Address::abstract_name(name.clone()).expect("legal");
            let text = address.to_string();
            assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
            assert_eq!(text.parse(), Ok(address));
        }
    }

    #[test]
    fn an_at_sign_can_be_meant() {
        assert_eq!(Address::from_text("\\@x"), Address::path("@x"));
        assert_eq!(Address::from_text("@"), Address::abstract_name([0]));
        assert_eq!(Address::from_text("@a\\x4"), Err(AddressError::BadEscape { position: 2 }));
    }
}
