//! Which backends work here, as a table.

use comfy_table::{ContentArrangement, Table, presets};
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
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["backend", "available", "notes"]);
    for (name, availability) in unix_transport::backends() {
        let answer = match availability {
            Availability::Yes(_) => "yes",
            Availability::No(_) => "no",
        };
        table.add_row([name.to_owned(), answer.to_owned(), availability.to_string()]);
    }
    output::print(format_args!("{}\n\n{}", table.trim_fmt(), surroundings()))
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
        "kernel      {}\nopen files  {files}\nbacklog     {backlog} at most\naddress     {limit} bytes at most",
        machine.kernel
    )
}
