//! `--json`: the result of a run as one object, for annotations in CI and for scripts.

use super::diff::Change;
use crate::cli::output::out;
use crate::cli::unified_diff;
use crate::error::Error;
use crate::spec::{Problem, Problems};
use serde::Serialize;

/// The object.
#[derive(Serialize)]
pub(super) struct Output<'a> {
    pub problems: Vec<ProblemView<'a>>,
    pub files: Vec<FileView>,
    #[serde(rename = "mend")]
    pub fix: Option<String>,
}

/// A file that differs from what is rendered, or did before this run.
#[derive(Serialize)]
pub(super) struct FileView {
    pub path: String,
    pub state: &'static str,
    pub diff: String,
}

/// One problem. Lines and columns count from 1, columns in characters; the end is the position after the
/// last character.
#[derive(Serialize)]
pub(super) struct ProblemView<'a> {
    pub check: &'static str,
    pub severity: &'static str,
    pub file: &'a str,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub message: &'a str,
    #[serde(rename = "cure")]
    pub help: Option<&'a str>,
}

/// Prints the object: the problems of the TOML, the files that differ, and the command that fixes them.
///
/// # Errors
/// None with these types; the serializer's signature has one.
pub(super) fn print(
    problems: &Problems,
    changes: &[Change],
    fix: Option<String>,
) -> Result<(), Error> {
    let file = |change: &Change| {
        let path = change.path.display().to_string();
        let diff = unified_diff::unified(&path, change.old.as_deref(), change.new_bytes());
        FileView { path, state: change.state.name(), diff }
    };
    let output = Output {
        problems: problems.problems.iter().map(|problem| view(problems, problem)).collect(),
        files: changes.iter().map(file).collect(),
        fix,
    };
    let text = serde_json::to_string_pretty(&output)
        .map_err(|error| Error::new("write the answer as JSON", error))?;
    out!("{text}");
    Ok(())
}

fn view<'a>(problems: &'a Problems, problem: &'a Problem) -> ProblemView<'a> {
    let (begin, end) = problems.positions(problem);
    ProblemView {
        check: problem.check.name(),
        severity: problem.severity.as_str(),
        file: &problems.source.name,
        line: begin.line,
        column: begin.column,
        end_line: end.line,
        end_column: end.column,
        message: &problem.message,
        help: problem.help.as_deref(),
    }
}
