//! The committed figures: `instructions.json`, and how far a count may be from it.
//!
//! The same program counts the same to about one instruction in ten thousand, so the tolerance is
//! not for noise: it is for what the compiler lays out otherwise when code elsewhere changes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::process::Command;

use command::failure::{Failure, Result};
use serde::{Deserialize, Serialize};

/// How much of a change is no news.
pub(crate) const TOLERANCE: f64 = 0.02;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");

/// Instructions for one operation by the path's name, and what they were counted with.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Figures {
    toolchain: Toolchain,
    instructions: BTreeMap<String, f64>,
}

impl Figures {
    /// These, to a tenth of an instruction.
    pub(crate) fn new(
        toolchain: Toolchain,
        counted: impl Iterator<Item = (String, f64)>,
    ) -> Figures {
        let rounded =
            counted.map(|(path, instructions)| (path, (instructions * 10.0).round() / 10.0));
        Figures { toolchain, instructions: rounded.collect() }
    }

    /// The committed ones; none if the file does not exist.
    pub(crate) fn read() -> Result<Figures> {
        if !fs::exists(FILE)
            .map_err(|error| Failure::new(format_args!("look for {FILE}"), error))?
        {
            return Ok(Figures::default());
        }
        let failed = |error: &dyn fmt::Display| Failure::new(format_args!("read {FILE}"), error);
        let text = fs::read_to_string(FILE).map_err(|error| failed(&error))?;
        serde_json::from_str(&text).map_err(|error| failed(&error))
    }

    pub(crate) fn write(&self) -> Result<()> {
        let failed = |error: &dyn fmt::Display| Failure::new(format_args!("write {FILE}"), error);
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        fs::write(FILE, text + "\n").map_err(|error| failed(&error))
    }

    pub(crate) fn of(&self, path: &str) -> Option<f64> {
        self.instructions.get(path).copied()
    }

    /// How a count compares with the committed figure.
    pub(crate) fn change(&self, path: &str, instructions: f64) -> Change {
        let Some(committed) = self.of(path) else { return Change::Unknown };
        let by = instructions / committed - 1.0;
        if by > TOLERANCE {
            Change::More(by)
        } else if by < -TOLERANCE {
            Change::Less(by)
        } else {
            Change::Within(by)
        }
    }
}

/// How a count differs from the committed figure, as a part of that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    Unknown,
    Within(f64),
    More(f64),
    Less(f64),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Unknown => f.write_str("no figure"),
            Change::Within(by) => write!(f, "{:+.2} %", by * 100.0),
            Change::More(by) => write!(f, "{:+.2} %, MORE", by * 100.0),
            Change::Less(by) => write!(f, "{:+.2} %, less", by * 100.0),
        }
    }
}

/// What the figures depend on beside this repository. Another compiler makes other instructions.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Toolchain {
    rustc: String,
    libc: String,
    valgrind: String,
}

impl Toolchain {
    /// That of this machine.
    pub(crate) fn this() -> Result<Toolchain> {
        Ok(Toolchain {
            rustc: says("rustc", "--version")?,
            libc: says("getconf", "GNU_LIBC_VERSION")?,
            valgrind: says("valgrind", "--version")?,
        })
    }

    /// What to add to a verdict if the committed figures are of another toolchain.
    pub(crate) fn difference(&self, figures: &Figures) -> String {
        match &figures.toolchain {
            committed if committed == self => String::new(),
            committed => format!("; but those are of {committed}, and this is {self}"),
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.rustc, self.libc, self.valgrind)
    }
}

fn says(program: &str, argument: &str) -> Result<String> {
    let answer = Command::new(program).arg(argument).output();
    let answer = answer.map_err(|error| Failure::new(format_args!("run {program}"), error))?;
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}
