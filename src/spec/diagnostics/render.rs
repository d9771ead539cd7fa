//! Renders problems for a terminal: in full with the underlined span while they fit a screen; of more,
//! the first in full and the others in one line each. Also turns spans into lines and columns.

use super::check::Severity;
use super::problem::{Problem, Problems};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;

/// Up to this many problems are all shown in full.
const MAX_ALL_IN_FULL: usize = 8;
/// Of more problems, this many are shown in full.
const MAX_FIRST_IN_FULL: usize = 3;
/// After those, this many are shown in one line each.
const MAX_ONE_LINERS: usize = 20;

/// A position in a text as editors count: line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Problems {
    /// The text for the author, with ANSI colours if `colour`; ends with a line feed. Where not all
    /// problems are shown in full, errors come first.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(100);
        let mut ordered: Vec<&Problem> = self.problems.iter().collect();
        let mut full = ordered.len();
        if full > MAX_ALL_IN_FULL {
            ordered.sort_by_key(|problem| problem.severity == Severity::Warning);
            full = MAX_FIRST_IN_FULL;
        }
        let mut text = String::new();
        let mut hinted = Vec::new();
        for problem in &ordered[..full] {
            // The help of an error says all there is; a warning leaves the author to decide.
            let hint = problem.severity == Severity::Warning && !hinted.contains(&problem.check);
            if hint {
                hinted.push(problem.check);
            }
            text.push_str(renderer.render(&[self.group(problem, hint)]).trim_end());
            text.push_str("\n\n");
        }
        if full < ordered.len() {
            text.push_str(&self.one_liners(&ordered[full..]));
        }
        // annotate-snippets replaces ASCII control characters with visible symbols, but leaves those of
        // C1, which terminals obey as well: U+009B acts as ESC [.
        text.replace(|shown| matches!(shown, '\u{80}'..='\u{9f}'), "\u{fffd}")
    }

    /// The number of problems in words: `2 faults, 1 warning`.
    pub fn count(&self) -> String {
        let errors = self.error_count();
        let counted = [(errors, "fault"), (self.problems.len() - errors, "warning")];
        let counted = counted.into_iter().filter(|(number, _)| *number > 0);
        let plural = |number| if number == 1 { "" } else { "s" };
        let words = counted.map(|(number, noun)| format!("{number} {noun}{}", plural(number)));
        words.collect::<Vec<_>>().join(", ")
    }

    /// Whether there are too many problems to show all in full.
    pub fn are_many(&self) -> bool {
        self.problems.len() > MAX_ALL_IN_FULL
    }

    /// One line per problem, then how many are left out.
    fn one_liners(&self, problems: &[&Problem]) -> String {
        let mut text = String::new();
        for problem in problems.iter().take(MAX_ONE_LINERS) {
            let Position { line, column } = self.positions(problem).0;
            let Problem { check, message, .. } = problem;
            let name = &self.source.name;
            let warning = if problem.severity == Severity::Warning { "warning: " } else { "" };
            text.push_str(&format!(
                "{name}:{line}:{column}: {warning}{}: {message}\n",
                check.name()
            ));
        }
        let left_out = problems.len().saturating_sub(MAX_ONE_LINERS);
        if left_out > 0 {
            text.push_str(&format!("and {left_out} more: --json names them all\n"));
        }
        text
    }

    fn group<'a>(&'a self, problem: &'a Problem, hint: bool) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary.span(self.clamped(&problem.span));
        let mut snippet =
            Snippet::source(&self.source.text).path(&self.source.name).annotation(primary);
        if let Some((span, label)) = &problem.related {
            let span = self.clamped(span);
            snippet = snippet.annotation(AnnotationKind::Context.span(span).label(label.as_str()));
        }
        let title = level.primary_title(&problem.message).id(problem.check.name());
        let mut group = title.element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        if hint {
            let more = format!("--explain {} says more", problem.check.name());
            group = group.element(Level::NOTE.message(more));
        }
        group
    }

    /// The positions of a problem's first character and of the character after its last.
    pub fn positions(&self, problem: &Problem) -> (Position, Position) {
        let text = &self.source.text;
        let start = floor_boundary(text, problem.span.start.min(text.len()));
        let end = floor_boundary(text, problem.span.end.clamp(start, text.len()));
        (position(text, start), position(text, end))
    }

    /// The span, clamped to the text, to its first line and to character boundaries.
    fn clamped(&self, span: &Range<usize>) -> Range<usize> {
        let text = &self.source.text;
        let start = floor_boundary(text, span.start.min(text.len()));
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let end = floor_boundary(text, span.end.clamp(start, line_end.max(start)));
        start..end
    }
}

fn position(text: &str, offset: usize) -> Position {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |feed| feed + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn floor_boundary(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
