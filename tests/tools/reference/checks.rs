//! The page about the checks: what `--explain` says of each.

use super::markdown::{code, fenced, prose, table};
use redisguard::spec::{Check, Severity};

pub fn page() -> String {
    let row = |check: &Check| {
        let name = check.name();
        vec![format!("[`{name}`](#{name})"), kind(*check).to_owned(), prose(check.rule())]
    };
    let contents = table(&["Name", "Kind", "What is right"], Check::ALL.iter().map(row));
    let checks: String = Check::ALL.iter().map(|check| section(*check)).collect();
    format!(
        "# Checks\n\n\
         `redisguard-gen` holds a TOML to all of these and reports everything at once, with its place.\n\
         After a fault nothing is written. A warning is printed only: `--deny NAME` makes it a fault,\n\
         `--allow NAME` keeps it from being printed. `--explain NAME` says what this page says.\n\n\
         {contents}\n{checks}"
    )
}

fn kind(check: Check) -> &'static str {
    match check.severity() {
        Severity::Error => "fault",
        Severity::Warning => "warning",
    }
}

fn section(check: Check) -> String {
    let explanation = check.explanation();
    format!(
        "## {}\n\nA {}. {}\n\n{}\n\nWhy it matters: {}\n\nWrong:\n\n{}\nRight:\n\n{}\n",
        code(check.name()),
        kind(check),
        prose(check.rule()),
        prose(explanation.meaning),
        prose(explanation.why),
        fenced("toml", explanation.wrong),
        fenced("toml", explanation.right),
    )
}
