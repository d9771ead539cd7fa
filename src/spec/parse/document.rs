//! TOML syntax: from text to the tables of the toml crate.

use crate::spec::diagnostics::{Check, Problem};
use crate::spec::reference::{Occurrence, TABLES};
use toml::de::DeTable;

/// Parses the text; every syntax error goes to `problems`.
pub fn document<'a>(text: &'a str, problems: &mut Vec<Problem>) -> DeTable<'a> {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim().to_owned();
        let help = help_for(&message, text.get(span.clone()).unwrap_or_default());
        let problem = Problem::new(Check::Syntax, span, message);
        problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
    root.into_inner()
}

/// How to fix a syntax error at `found`, for the two that authors of this file make most.
///
/// `toml::de::Error` (toml 1.2) has a message and a span, but no kind, so the message decides. If a
/// later version words it differently, the error is still shown, without help; the tests notice.
fn help_for(message: &str, found: &str) -> Option<String> {
    let is_repeatable = TABLES
        .iter()
        .any(|table| table.occurrence == Occurrence::Repeated && table.name == found.trim());
    match message {
        "duplicate key" if is_repeatable => {
            Some(format!("write each with two brackets: [[{found}]]"))
        }
        "duplicate key" => Some("it is given above already: keep one".to_owned()),
        "string values must be quoted, expected literal string" => {
            Some("put it between plain quotes: \"…\"".to_owned())
        }
        _ => None,
    }
}
