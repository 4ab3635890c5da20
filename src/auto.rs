//! The backend that is whichever works here.

use transport_core::{AnyTransport, Availability, Backend, Driver, Result, Settings};

use crate::candidate::CANDIDATES;
use crate::select::{AUTO, select};

/// The best backend that works here, chosen when it is opened: uring, else epoll, else blocking.
///
/// `Runtime::<Auto>::new` does not say which one it is. To know, or to choose by name, ask
/// [`select`]; its answer fits, too:
///
/// ```no_run
/// use unix_transport::{Auto, Runtime, Settings, select};
///
/// # fn main() -> unix_transport::Result<()> {
/// let selection = select("auto", &Settings::default())?;
/// for (name, why) in &selection.passed_over {
///     eprintln!("not {name}: {why}");
/// }
/// let runtime = Runtime::<Auto>::from_parts(selection.transport, selection.driver);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Auto;

impl Backend for Auto {
    const NAME: &'static str = AUTO;
    type Transport = AnyTransport;
    type Driver = Box<dyn Driver>;

    fn probe() -> Availability {
        let mut reasons = Vec::new();
        for candidate in &CANDIDATES {
            match candidate.probe() {
                Availability::Yes(_) => return Availability::Yes(candidate.name.to_owned()),
                Availability::No(why) => reasons.push(format!("{}: {why}", candidate.name)),
            }
        }
        Availability::No(reasons.join("; "))
    }

    fn open(settings: &Settings) -> Result<(AnyTransport, Box<dyn Driver>)> {
        let selection = select(AUTO, settings)?;
        Ok((selection.transport, selection.driver))
    }
}
