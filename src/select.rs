//! Choosing a backend at run time: by name, from the environment, or the best that works.
//!
//! Nothing falls back that was not asked to. `auto` is how a program asks, and the answer says
//! what was passed over, and why.

use std::env;
use std::fmt;
use std::iter;

use transport_core::{AnyTransport, Availability, Cause, Driver, Error, Result, Settings};

use crate::candidate::{CANDIDATES, Opened};

/// The name that asks for the best backend that works.
pub(crate) const AUTO: &str = "auto";

/// The environment variable that [`select_from_environment`] reads.
pub const VARIABLE: &str = "UNIX_TRANSPORT_BACKEND";

/// A backend that was chosen at run time, opened.
///
/// [`Runtime::<Auto>::from_parts`](crate::Runtime::from_parts) takes its transport and driver.
#[non_exhaustive]
pub struct Selection {
    /// The backend's own name: "uring", "epoll" or "blocking".
    pub name: &'static str,
    /// Makes listeners and connections.
    pub transport: AnyTransport,
    /// Makes them move; dropping it closes the listeners.
    pub driver: Box<dyn Driver>,
    /// Which better backends `auto` could not use, and why; empty if one was asked for by name.
    pub passed_over: Vec<(&'static str, String)>,
}

/// Every backend's name, the best first, and whether it works here: found out by asking the
/// kernel, anew at each call.
///
/// A backend that was not compiled in is listed, too, with the feature that enables it.
#[must_use]
pub fn backends() -> Vec<(&'static str, Availability)> {
    CANDIDATES.iter().map(|candidate| (candidate.name, candidate.probe())).collect()
}

/// Opens the backend called `name`: "uring", "epoll", "blocking", or "auto" for the first of these
/// that works here. Does not block.
///
/// # Errors
/// [`Cause::UnknownBackend`], of kind `InvalidInput`, for another name;
/// [`Cause::Unavailable`] if the backend can't work here, or was not compiled in, or, for "auto",
/// if none can; EMFILE and ENOMEM.
pub fn select(name: &str, settings: &Settings) -> Result<Selection> {
    choose("select a backend", name, settings)
}

/// [`select`] with the name that the environment variable [`VARIABLE`] has, or with `default` if
/// it is unset or empty. Only programs that call this heed the variable.
///
/// # Errors
/// As [`select`]. For a value that is no backend's name, or not UTF-8, the text names the variable.
pub fn select_from_environment(default: &str, settings: &Settings) -> Result<Selection> {
    match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        // What is not UTF-8 is no name, and becomes none by this.
        Some(name) => choose(
            "select the backend of UNIX_TRANSPORT_BACKEND",
            &name.to_string_lossy(),
            settings,
        ),
        None => select(default, settings),
    }
}

fn choose(operation: &'static str, name: &str, settings: &Settings) -> Result<Selection> {
    if name == AUTO {
        return first_that_opens(operation, settings);
    }
    let Some(candidate) = CANDIDATES.iter().find(|candidate| candidate.name == name) else {
        let known = iter::once(AUTO).chain(CANDIDATES.iter().map(|candidate| candidate.name));
        let cause = Cause::UnknownBackend { name: name.to_owned(), known: known.collect() };
        return Err(Error::new(operation, None, cause));
    };
    let opened = candidate.open(settings)?;
    Ok(Selection::new(candidate.name, opened, Vec::new()))
}

fn first_that_opens(operation: &'static str, settings: &Settings) -> Result<Selection> {
    let mut passed_over = Vec::new();
    for candidate in &CANDIDATES {
        match candidate.open(settings) {
            Ok(opened) => return Ok(Selection::new(candidate.name, opened, passed_over)),
            // No other candidate would find more room, and one that did would be the wrong one.
            Err(e) if e.is_transient() => return Err(e),
            Err(e) => passed_over.push((candidate.name, e.cause().to_string())),
        }
    }
    let reasons: Vec<String> =
        passed_over.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    Err(Error::new(operation, None, Cause::Unavailable(reasons.join("; "))))
}

impl Selection {
    fn new(
        name: &'static str,
        (transport, driver): Opened,
        passed_over: Vec<(&'static str, String)>,
    ) -> Selection {
        Selection { name, transport, driver, passed_over }
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection")
            .field("name", &self.name)
            .field("passed_over", &self.passed_over)
            .finish_non_exhaustive()
    }
}
