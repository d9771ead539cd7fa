//! `--json`: everything that a run has to say as one object, for annotations in CI and for scripts.

use super::diff::Change;
use crate::cli::output::out;
use crate::cli::unified_diff;
use crate::error::Error;
use crate::spec::{Problem, Problems};
use serde::Serialize;

/// The object.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    pub problems: Vec<View<'a>>,
    pub files: Vec<File>,
    pub mend: Option<String>,
}

/// A file that is not as it is rendered, or was not.
#[derive(Serialize)]
pub(super) struct File {
    pub path: String,
    pub state: &'static str,
    pub diff: String,
}

/// One problem. Lines and columns count from 1, columns in characters; the end is the place behind
/// the last character.
#[derive(Serialize)]
pub(super) struct View<'a> {
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

/// Prints the object: what is wrong with the TOML, what is otherwise than it is rendered, and the
/// command that mends that.
///
/// # Errors
/// Never on what it is made of; the serializer's signature has one.
pub(super) fn print(
    problems: &Problems,
    changes: &[Change],
    mend: Option<String>,
) -> Result<(), Error> {
    let file = |change: &Change| {
        let path = change.path.display().to_string();
        let diff = unified_diff::unified(&path, change.old.as_deref(), change.new.as_deref());
        File { path, state: change.state.name(), diff }
    };
    let answer = Answer {
        problems: problems.problems.iter().map(|one| view(problems, one)).collect(),
        files: changes.iter().map(file).collect(),
        mend,
    };
    let text = serde_json::to_string_pretty(&answer)
        .map_err(|error| Error::new("write the answer as JSON", error))?;
    out!("{text}");
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
        help: problem.help.as_deref(),
    }
}
