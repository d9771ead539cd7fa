//! The page about exit statuses, from the table that each verb's help has its line of.

use super::markdown::{code, prose, table};
use redisguard::args::{EXIT_STATUSES, ExitStatuses};

pub fn page() -> String {
    let row = |exits: &ExitStatuses| {
        let differs = exits.differs.unwrap_or("never");
        vec![code(exits.verb), prose(exits.same), prose(differs), prose(exits.error)]
    };
    let rows = table(&["Command", "0", "1", "2"], EXIT_STATUSES.iter().map(row));
    format!(
        "# Exit statuses\n\n\
         As diff(1) does: 0 is the same or done, 1 differs, 2 is trouble.\n\n{rows}\n\
         - Wrong usage is 2 everywhere, and so is a fault in the bundle or the TOML.\n\
         - So is an answer that could not be written to standard output, of the commands that are there\n  \
         for what they say. Of one that changes something the status tells of the change, and what was\n  \
         not heard is a warning on standard error.\n\
         - With 2 there is no JSON: standard error says why, and what to do, as text. Only\n  \
         `redisguard-gen --json` prints the problems of a TOML with 2 too."
    )
}
