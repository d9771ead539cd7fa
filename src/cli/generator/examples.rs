//! Owns an example of what `--json` prints, made of the very types that are printed: the reference is
//! written from it. None leaves a field out by `..`, so that a new one must be thought of.

use super::diff::FileState;
use super::json::{FileView, Output, ProblemView};
use crate::cli::reference::Example;
use crate::spec::Check;

/// The generator's.
pub fn example() -> Example {
    let path = "generated/host/etc/redisguard/rules.v4".to_owned();
    let diff = format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n");
    let files = vec![FileView { path, state: FileState::Stale.name(), diff }];
    let help = Some("external = \"notice\" shows it");
    let fix = Some("redisguard-gen".to_owned());
    let full = Output { problems: vec![problem(help)], files, fix };
    let least = Output { problems: vec![problem(None)], files: Vec::new(), fix: None };
    Example::of("redisguard-gen", &[full, least])
}

fn problem(help: Option<&'static str>) -> ProblemView<'static> {
    ProblemView {
        check: Check::DropHidesNotice.name(),
        severity: Check::DropHidesNotice.severity().as_str(),
        file: "redisguard.toml",
        line: 22,
        column: 12,
        end_line: 22,
        end_column: 18,
        message: "port 6379: outsiders are dropped and will never see the notice",
        help,
    }
}
