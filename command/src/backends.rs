//! Which backends work here, as a table.

use nix::sys::resource::{Resource, getrlimit};
use unix_transport::Availability;

use crate::failure::Result;
use crate::measure::machine::Machine;
use crate::output;

/// Prints the table.
///
/// # Errors
/// Those of standard output.
pub fn print() -> Result<()> {
    let mut table = output::table(&["backend", "available", "notes"], 3);
    for (name, availability) in unix_transport::backends() {
        let answer = match availability {
            Availability::Yes(_) => "yes",
            Availability::No(_) => "no",
        };
        table.add_row([name.to_owned(), answer.to_owned(), availability.to_string()]);
    }
    output::print(format_args!("{}\n{}", table.trim_fmt(), surroundings()))
}

/// What bounds every backend alike.
fn surroundings() -> String {
    let machine = Machine::this();
    let files = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => format!("{soft} now, {hard} at most"),
        Err(errno) => format!("unknown ({errno})"),
    };
    let backlog = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let backlog =
        backlog.map_or_else(|error| format!("unknown ({error})"), |text| text.trim().to_owned());
    let limit = unix_transport::address::LIMIT;
    format!(
        " kernel      {}\n open files  {files}\n backlog     {backlog} at most\n address     {limit} bytes at most",
        machine.kernel
    )
}
