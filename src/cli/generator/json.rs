//! `--json`: the result of a run as one object, for annotations in CI and for scripts.

use super::diff::{Change, FileState};
use crate::cli::output::print_json;
use crate::cli::unified_diff;
use crate::spec::{Problem, Problems};
use serde::Serialize;

/// The object.
#[derive(Serialize)]
pub(super) struct Output<'a> {
    /// What is wrong with the TOML, or may be; in the order of its text.
    pub problems: Vec<ProblemView<'a>>,
    /// Every file that differs from what is rendered, or did before it was written; none where the TOML has a
    /// fault.
    pub files: Vec<FileView>,
    /// The command that fixes the files; null without `--check`, and where none is needed.
    #[serde(rename = "mend")]
    pub fix: Option<String>,
}

/// A file that differs from what is rendered, or did before this run.
#[derive(Serialize)]
pub(super) struct FileView {
    /// The file.
    pub path: String,
    /// `stale`, `edited by hand`, `missing`, `stray`, `executable` or `unfinished`.
    pub state: FileState,
    /// The change as a unified diff.
    pub diff: String,
}

/// One problem. Lines and columns count from 1, columns in characters.
#[derive(Serialize)]
pub(super) struct ProblemView<'a> {
    /// The name that `--explain` takes.
    pub check: &'static str,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The path of the TOML as it was given.
    pub file: &'a str,
    /// The line of its first character, from 1.
    pub line: usize,
    /// The column of its first character, in characters, from 1.
    pub column: usize,
    /// The line of the position after its last character.
    pub end_line: usize,
    /// The column of that position.
    pub end_column: usize,
    /// What is wrong.
    pub message: &'a str,
    /// What would be right.
    #[serde(rename = "cure")]
    pub help: Option<&'a str>,
}

/// Prints the object: the problems of the TOML, the files that differ, and the command that fixes them.
pub(super) fn print(problems: &Problems, changes: &[Change], fix: Option<String>) {
    let file = |change: &Change| {
        let path = change.path.display().to_string();
        let diff = unified_diff::unified(&path, change.old.as_deref(), change.new_bytes());
        FileView { path, state: change.state, diff }
    };
    print_json(&Output {
        problems: problems.problems.iter().map(|problem| view(problems, problem)).collect(),
        files: changes.iter().map(file).collect(),
        fix,
    });
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
