//! What goes to standard output, and how it is worded.

use std::fmt;
use std::io::{self, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

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

/// A table without rows yet: the first `texts` columns are aligned to the left, the others, which
/// have figures, to the right. It is as wide as its contents, in a terminal and in a pipe.
#[must_use]
pub fn table(header: &[&str], texts: usize) -> Table {
    let mut table = Table::new();
    let style = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A progress bar on standard error if that is a terminal, else nothing. It is drawn only when it
/// is moved: between slices, never during one.
#[must_use]
pub fn progress(slices: usize) -> ProgressBar {
    let bar = ProgressBar::new(slices as u64);
    match ProgressStyle::with_template("{bar:32} {percent:>3} %, {eta} left {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// `1234567.8` as `1,234,568`.
#[must_use]
pub fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 thread`, `3 threads`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
