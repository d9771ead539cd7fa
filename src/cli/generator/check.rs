//! `--check`: shows the files that differ from what is rendered, and the command that fixes them.

use super::diff::{Change, Fix};
use crate::args::GeneratorArgs;
use crate::cli::output::{coloured, out};
use crate::cli::unified_diff;
use std::io;
use std::path::Path;

pub(super) fn show(changes: &[Change], fix: Option<&str>) {
    let colour = coloured(&io::stdout());
    for change in changes {
        let name = change.path.display().to_string();
        let text = unified_diff::unified(&name, change.old.as_deref(), change.new_bytes());
        out!("{}", unified_diff::painted(&text, colour).trim_end());
    }
    let Some(fix) = fix else { return out!("up to date") };
    out!("");
    for change in changes {
        out!("{}: {}", change.state, change.path.display());
    }
    out!("mend with: {fix}");
}

/// The command that fixes every file; `None` if there is nothing to fix.
pub(super) fn fix(args: &GeneratorArgs, changes: &[Change]) -> Option<String> {
    let foreign = changes.iter().filter(|change| matches!(change.fix, Fix::LeaveAlone));
    let foreign = foreign.map(|change| shell_word(&change.path.display().to_string()));
    let foreign: Vec<String> = foreign.collect();
    let rendered = (changes.len() > foreign.len()).then(|| regenerate(args));
    let removed = (!foreign.is_empty()).then(|| format!("rm {}", foreign.join(" ")));
    let commands: Vec<String> = rendered.into_iter().chain(removed).collect();
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// The command that writes what --check found, with the options of this run.
fn regenerate(args: &GeneratorArgs) -> String {
    let mut command = "redisguard-gen".to_owned();
    for (option, value, default) in [
        ("--config", &args.config, "redisguard.toml"),
        ("--out", &args.out, "generated"),
        ("--docs-root", &args.docs_root, "."),
    ] {
        if value != Path::new(default) {
            command.push_str(&format!(" {option} {}", shell_word(&value.display().to_string())));
        }
    }
    command
}

/// The text as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
