//! The skipped lines, for people.

use crate::report::SkippedLine;

/// A line for each, with its log, number and reason. It does not end with a line feed.
pub fn text(skipped: &[SkippedLine]) -> String {
    if skipped.is_empty() {
        return "no line was skipped but those of other programs".to_owned();
    }
    let lines = skipped
        .iter()
        .map(|SkippedLine { log, line, reason, text }| format!("{log}:{line}: {reason}: {text}"));
    lines.collect::<Vec<_>>().join("\n")
}
