//! Owns how problems look: in full with the underlined span while they fit a screen, beyond that
//! the first in full and one line for each other; and where a span lies, in lines and columns.

use super::{Problem, Problems, Severity};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;

/// As many problems are shown in full, if there are no more.
const FEW: usize = 8;
/// As many of more are.
const FIRST: usize = 3;
/// As many get a line of their own after those.
const LINES: usize = 20;

/// A place in a text, as editors count: both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Problems {
    /// The text for the author, with colours if `colour`; ends with a line feed. Of more than a few
    /// problems the faults come first.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(100);
        let mut ordered: Vec<&Problem> = self.problems.iter().collect();
        let mut full = ordered.len();
        if full > FEW {
            ordered.sort_by_key(|problem| problem.severity == Severity::Warning);
            full = FIRST;
        }
        let mut text = String::new();
        let mut hinted = Vec::new();
        for problem in &ordered[..full] {
            // A fault is told in full by its cure; a warning leaves the author to judge.
            let hint = problem.severity == Severity::Warning && !hinted.contains(&problem.check);
            if hint {
                hinted.push(problem.check);
            }
            text.push_str(renderer.render(&[self.group(problem, hint)]).trim_end());
            text.push_str("\n\n");
        }
        if full < ordered.len() {
            text.push_str(&self.listed(&ordered[full..]));
        }
        // The renderer shows the control characters of ASCII by their pictures. These have none, and
        // terminals obey them too: U+009B begins what ESC [ does.
        text.replace(|shown| matches!(shown, '\u{80}'..='\u{9f}'), "\u{fffd}")
    }

    /// How many there are in all: `2 faults, 1 warning`.
    pub fn count(&self) -> String {
        let faults = self.faults();
        let counted = [(faults, "fault"), (self.problems.len() - faults, "warning")];
        let counted = counted.into_iter().filter(|(number, _)| *number > 0);
        let plural = |number| if number == 1 { "" } else { "s" };
        let words = counted.map(|(number, noun)| format!("{number} {noun}{}", plural(number)));
        words.collect::<Vec<_>>().join(", ")
    }

    /// Whether they are too many to be shown in full.
    pub fn are_many(&self) -> bool {
        self.problems.len() > FEW
    }

    /// One line for each of the problems, and how many are left out.
    fn listed(&self, problems: &[&Problem]) -> String {
        let mut text = String::new();
        for problem in problems.iter().take(LINES) {
            let Position { line, column } = self.positions(problem).0;
            let Problem { check, message, .. } = problem;
            let name = &self.source.name;
            let warning = if problem.severity == Severity::Warning { "warning: " } else { "" };
            text.push_str(&format!(
                "{name}:{line}:{column}: {warning}{}: {message}\n",
                check.name()
            ));
        }
        let left_out = problems.len().saturating_sub(LINES);
        if left_out > 0 {
            text.push_str(&format!("and {left_out} more: --json names them all\n"));
        }
        text
    }

    fn group<'a>(&'a self, problem: &'a Problem, hint: bool) -> Group<'a> {
        let level = match problem.severity {
            Severity::Fault => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary.span(self.within(&problem.span));
        let mut snippet =
            Snippet::source(&self.source.text).path(&self.source.name).annotation(primary);
        if let Some((span, label)) = &problem.other {
            let span = self.within(span);
            snippet = snippet.annotation(AnnotationKind::Context.span(span).label(label.as_str()));
        }
        let title = level.primary_title(&problem.message).id(problem.check.name());
        let mut group = title.element(snippet);
        if let Some(cure) = &problem.cure {
            group = group.element(Level::HELP.message(cure.as_str()));
        }
        if hint {
            let more = format!("--explain {} says more", problem.check.name());
            group = group.element(Level::NOTE.message(more));
        }
        group
    }

    /// Where a problem begins, and where the text goes on behind it.
    pub fn positions(&self, problem: &Problem) -> (Position, Position) {
        let text = &self.source.text;
        let start = floor_boundary(text, problem.span.start.min(text.len()));
        let end = floor_boundary(text, problem.span.end.clamp(start, text.len()));
        (position(text, start), position(text, end))
    }

    /// The span, cut to the text and to one line, and to characters' bounds.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let text = &self.source.text;
        let start = floor_boundary(text, span.start.min(text.len()));
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let end = floor_boundary(text, span.end.clamp(start, line_end.max(start)));
        start..end
    }
}

fn position(text: &str, place: usize) -> Position {
    let before = &text[..place];
    let line_start = before.rfind('\n').map_or(0, |feed| feed + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn floor_boundary(text: &str, mut place: usize) -> usize {
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}
