//! The report as CSV (RFC 4180, but lines end with a line feed).
//!
//! Never: begins a cell with what a spreadsheet takes for a formula.

use crate::report::format::library;
use crate::report::{AnswerKind, SourceSummary, Summary};

/// The answers of version 0.1, whose columns come first.
fn first_answers() -> impl Iterator<Item = AnswerKind> {
    AnswerKind::ALL.into_iter().filter(|answer| *answer != AnswerKind::Unknown)
}

/// A header and a line for each source at each port. It does not end with a line feed.
pub fn text(summary: &Summary) -> String {
    let mut head = vec!["source", "name", "port", "attempts", "first", "last"];
    head.extend(first_answers().map(AnswerKind::name));
    // The columns of version 0.1 end here; later ones come after them.
    head.extend(["protocols", "libraries"]);
    head.push(AnswerKind::Unknown.name());
    head.extend(["unit", "container", "cgroup", "uids"]);
    head.extend(["client_names", "refused", "unverified_stated_peers"]);
    let lines = summary.by_source.iter().map(|source| joined(&cells(source)));
    let head = joined(&head.into_iter().map(str::to_owned).collect::<Vec<_>>());
    [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

fn cells(source: &SourceSummary) -> Vec<String> {
    let libraries =
        source.libraries.iter().map(|used| library(&used.name, used.version.as_deref()));
    let mut cells = vec![
        source.source.clone(),
        source.name.clone().unwrap_or_default(),
        source.port.map(|port| port.to_string()).unwrap_or_default(),
        source.attempts.to_string(),
        source.first.clone(),
        source.last.clone(),
    ];
    cells.extend(first_answers().map(|answer| source.answers.of(answer).to_string()));
    cells.push(source.protocols.join(" "));
    cells.push(list(libraries, "; "));
    cells.push(source.answers.of(AnswerKind::Unknown).to_string());
    let client = [&source.unit, &source.container, &source.cgroup];
    cells.extend(client.map(|name| name.clone().unwrap_or_default()));
    cells.push(list(source.uids.iter().map(|used| used.uid.to_string()), " "));
    cells.push(list(source.client_names.iter().map(|used| used.name.clone()), "; "));
    cells.push(list(source.refused.iter().map(|used| used.command.clone()), " "));
    cells.push(list(source.stated_peers.iter().map(|used| used.address.to_string()), " "));
    cells
}

fn list(values: impl Iterator<Item = String>, separator: &str) -> String {
    values.collect::<Vec<_>>().join(separator)
}

fn joined(cells: &[String]) -> String {
    cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",")
}

fn cell(text: &str) -> String {
    // Spreadsheets calculate these cells (OWASP, CSV injection); the quote makes them text.
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r', ';']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_special_characters_are_quoted() {
        for (text, expected) in [
            ("redis-py 5.0.1", "redis-py 5.0.1"),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-1", "'-1"),
            ("a,b", "\"a,b\""),
            ("=cmd|' /C calc'!A0,\\\"", "\"'=cmd|' /C calc'!A0,\\\"\"\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
