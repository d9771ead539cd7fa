//! `--explain`: one check in full.

use crate::spec::{Check, Severity};
use crate::text_layout;

/// The width of the text, in columns.
const WIDTH: usize = 78;

/// What `--explain` prints of a check.
pub(super) fn page(check: Check) -> String {
    let (name, explanation) = (check.name(), check.explanation());
    let kind = match check.severity() {
        Severity::Error => "a fault: nothing is written until it is mended.".to_owned(),
        Severity::Warning => format!(
            "a warning: --deny {name} makes it a fault, --allow {name} keeps it from being printed."
        ),
    };
    let heading = format!("{name}: {}", check.rule());
    let why = format!("Why it matters: {}", explanation.why);
    let paragraphs = [&heading, explanation.meaning, &why].map(wrapped).join("\n\n");
    format!(
        "{paragraphs}\n\nWrong:\n\n{}\n\nRight:\n\n{}\n\n{}",
        indented(explanation.wrong),
        indented(explanation.right),
        wrapped(&format!("It is {kind}")),
    )
}

fn indented(toml: &str) -> String {
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("    {line}") };
    toml.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn wrapped(text: &str) -> String {
    text_layout::wrapped(text, WIDTH, "", "")
}
