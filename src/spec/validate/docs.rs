//! The [docs] table: no document may replace another one.

use crate::spec::diagnostics::{Check, Problem};
use crate::spec::parse::Table;
use crate::spec::parse::values::{DocumentPath, WebAddress};
use crate::spec::types::Docs;
use std::ops::Range;
use toml::Spanned;

pub fn docs(table: &Table<'_>) -> Docs {
    let mut paths = UniquePaths::default();
    let mut document =
        |key| paths.add(table.text_or_default(key, Check::Path, DocumentPath::parse), table);
    let (overview, reservations) = (document("overview"), document("reservations"));
    let guides = table.texts("guides", Check::Path, DocumentPath::parse);
    let guides = guides.into_iter().map(|guide| paths.add(guide, table)).collect();
    let runbook = table.text("runbook", Check::Path, WebAddress::parse).map(Spanned::into_inner);
    Docs { overview, reservations, guides, runbook }
}

/// Paths that can all be files of one tree.
#[derive(Default)]
struct UniquePaths(Vec<(DocumentPath, Range<usize>)>);

impl UniquePaths {
    /// Adds a path; reports one that an earlier path equals, contains or lies in.
    fn add(&mut self, path: Spanned<DocumentPath>, table: &Table<'_>) -> DocumentPath {
        let (span, path) = (path.span(), path.into_inner());
        let conflicting = |(other, _): &&(DocumentPath, Range<usize>)| {
            is_or_contains(other, &path) || is_or_contains(&path, other)
        };
        if let Some((other, other_span)) = self.0.iter().find(conflicting) {
            let message = match path == *other {
                true => format!("{path} has two roles"),
                false => format!("{path} cannot stand beside {other}"),
            };
            let problem = Problem::new(Check::PathTwice, span.clone(), message);
            table.report(match other_span.is_empty() {
                // A default is not in the text.
                true => problem.help(format!("{other} is a default of [docs]: name another file")),
                false => problem
                    .help("give each document a file of its own")
                    .related(other_span.clone(), "the other one"),
            });
        }
        self.0.push((path.clone(), span));
        path
    }
}

/// Whether `path` is `outer`, or would be a file below it.
fn is_or_contains(outer: &DocumentPath, path: &DocumentPath) -> bool {
    let rest = path.as_str().strip_prefix(outer.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
