//! The table of the backends: the one place that knows which of them were compiled in.

use transport_core::{AnyTransport, Availability, Backend, Cause, Driver, Error, Result, Settings};

/// What opening any backend gives.
pub(crate) type Opened = (AnyTransport, Box<dyn Driver>);

/// All backends, the one that `auto` tries first at the top.
pub(crate) static CANDIDATES: [Candidate; 3] = [
    #[cfg(feature = "uring")]
    Candidate::of::<crate::Uring>(),
    #[cfg(not(feature = "uring"))]
    Candidate::left_out("uring"),
    #[cfg(feature = "epoll")]
    Candidate::of::<crate::Epoll>(),
    #[cfg(not(feature = "epoll"))]
    Candidate::left_out("epoll"),
    #[cfg(feature = "blocking")]
    Candidate::of::<crate::Blocking>(),
    #[cfg(not(feature = "blocking"))]
    Candidate::left_out("blocking"),
];

/// A backend that a program may ask for by name.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    /// `None` if the feature of its name is off.
    compiled: Option<Compiled>,
}

struct Compiled {
    probe: fn() -> Availability,
    open: fn(&Settings) -> Result<Opened>,
}

impl Candidate {
    #[allow(dead_code, reason = "unused without any feature")]
    const fn of<B: Backend>() -> Candidate {
        let open = |settings: &Settings| -> Result<Opened> {
            let (transport, driver) = B::open(settings)?;
            Ok((AnyTransport::new(transport), Box::new(driver)))
        };
        Candidate { name: B::NAME, compiled: Some(Compiled { probe: B::probe, open }) }
    }

    #[allow(dead_code, reason = "unused with all features")]
    const fn left_out(name: &'static str) -> Candidate {
        Candidate { name, compiled: None }
    }

    /// Whether it works here.
    pub(crate) fn probe(&self) -> Availability {
        match &self.compiled {
            Some(compiled) => (compiled.probe)(),
            None => Availability::No(self.absence()),
        }
    }

    /// Opens it.
    pub(crate) fn open(&self, settings: &Settings) -> Result<Opened> {
        match &self.compiled {
            Some(compiled) => (compiled.open)(settings),
            None => Err(Error::new("open", None, Cause::Unavailable(self.absence()))),
        }
    }

    fn absence(&self) -> String {
        format!("not compiled in: enable the feature `{}`", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn what_is_left_out_says_how_to_get_it() {
        let candidate = Candidate::left_out("epoll");
        let why = candidate.probe().to_string();
        assert_eq!(why, "not compiled in: enable the feature `epoll`");
        assert_eq!(candidate.probe(), Availability::No(why.clone()));
        let error = candidate.open(&Settings::default()).err().expect("there is nothing to open");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&why), "{error}");
    }
}
