//! `--check`: shows all that is not as it is rendered, and the command that mends it.

use super::diff::Change;
use crate::args::GeneratorArgs;
use crate::cli::output::{coloured, out};
use crate::cli::unified_diff;
use std::io;
use std::path::Path;

pub(super) fn show(changes: &[Change], mend: Option<&str>) {
    let colour = coloured(&io::stdout());
    for change in changes {
        let name = change.path.display().to_string();
        let text = unified_diff::unified(&name, change.old.as_deref(), change.new.as_deref());
        out!("{}", unified_diff::painted(&text, colour).trim_end());
    }
    let Some(mend) = mend else { return out!("up to date") };
    out!("");
    for change in changes {
        out!("{}: {}", change.state.name(), change.path.display());
    }
    out!("mend with: {mend}");
}

/// The command that mends everything; `None` where nothing is to mend.
pub(super) fn mend(args: &GeneratorArgs, changes: &[Change]) -> Option<String> {
    let foreign = changes.iter().filter(|change| change.new.is_none() && !change.ours);
    let foreign = foreign.map(|change| shell_word(&change.path.display().to_string()));
    let foreign: Vec<String> = foreign.collect();
    let rendered = (changes.len() > foreign.len()).then(|| regenerate(args));
    let removed = (!foreign.is_empty()).then(|| format!("rm {}", foreign.join(" ")));
    let cures: Vec<String> = rendered.into_iter().chain(removed).collect();
    (!cures.is_empty()).then(|| cures.join(" && "))
}

/// The command that writes what --check found, with the options that were given.
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
