//! The texts of the table's cells, for the template and for the script's data.

use crate::report::format;
use crate::report::output::details;
use crate::report::summary::{LibraryUse, SourceSummary};
use std::borrow::Borrow;

/// A port, or that the listener's counts name none.
pub fn port(port: impl Borrow<Option<u16>>) -> String {
    port.borrow().map_or("any port".to_owned(), |port| port.to_string())
}

/// Libraries with their versions.
pub fn libraries(used: &[LibraryUse]) -> String {
    let names = used.iter().map(|used| format::library(&used.name, used.version.as_deref()));
    names.collect::<Vec<_>>().join(", ")
}

/// What else is known of the clients of a source, a line each.
pub fn client_lines(row: &SourceSummary) -> Vec<String> {
    details::client(row).into_iter().chain(details::stated_peers(row)).collect()
}
