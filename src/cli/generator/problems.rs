//! `--json`: the problems of a TOML as one array, for annotations in CI.

use super::super::print_answer;
use crate::error::Trouble;
use crate::spec::{Problem, Problems};
use serde::Serialize;

/// One problem. Lines and columns count from 1, columns in characters; the end is the place behind
/// the last character.
#[derive(Serialize)]
struct View<'a> {
    check: &'static str,
    severity: &'static str,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    cure: Option<&'a str>,
}

/// Prints the array; an empty one where nothing is wrong.
pub(super) fn print(problems: &Problems) -> Result<(), Trouble> {
    let views: Vec<View<'_>> = problems.problems.iter().map(|one| view(problems, one)).collect();
    let text = serde_json::to_string_pretty(&views)
        .map_err(|error| Trouble::new("write the problems as JSON", error))?;
    print_answer(&text);
    Ok(())
}

fn view<'a>(problems: &'a Problems, problem: &'a Problem) -> View<'a> {
    let (begin, end) = problems.positions(problem);
    View {
        check: problem.check.name(),
        severity: problem.severity.as_str(),
        file: &problems.source.name,
        line: begin.line,
        column: begin.column,
        end_line: end.line,
        end_column: end.column,
        message: &problem.message,
        cure: problem.cure.as_deref(),
    }
}
