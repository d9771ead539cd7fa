//! Owns the report as CSV (RFC 4180, lines end with a line feed). A cell never begins with what a
//! spreadsheet takes for a formula.

use crate::report::{Answer, Knocks, Summary};

/// A header, and a line for each source at each port; ends without a line feed.
pub fn text(summary: &Summary) -> String {
    let mut head = vec!["source", "name", "port", "attempts", "first", "last"];
    head.extend(Answer::ALL.map(Answer::name));
    head.extend(["protocols", "libraries"]);
    let lines = summary.knocks.iter().map(|knocks| joined(&cells(knocks)));
    let head = joined(&head.into_iter().map(str::to_owned).collect::<Vec<_>>());
    [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

fn cells(knocks: &Knocks) -> Vec<String> {
    let libraries = knocks.libraries.iter().map(|library| match &library.version {
        Some(version) => format!("{} {version}", library.name),
        None => library.name.clone(),
    });
    let mut cells = vec![
        knocks.source.clone(),
        knocks.name.clone().unwrap_or_default(),
        knocks.port.map(|port| port.to_string()).unwrap_or_default(),
        knocks.attempts.to_string(),
        knocks.first.clone(),
        knocks.last.clone(),
    ];
    cells.extend(Answer::ALL.map(|answer| knocks.answers.of(answer).to_string()));
    cells.push(knocks.protocols.join(" "));
    cells.push(libraries.collect::<Vec<_>>().join("; "));
    cells
}

fn joined(cells: &[String]) -> String {
    cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",")
}

fn cell(text: &str) -> String {
    // What spreadsheets calculate (OWASP, CSV injection); the quote makes it text.
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r', ';']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_whatever_it_holds() {
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
