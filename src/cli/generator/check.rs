//! `--check`: shows all that is not as it is rendered, and the command that mends it.

use super::changes::Change;
use super::{Status, coloured, diff, say};
use crate::args::GeneratorArgs;
use std::io;
use std::path::Path;

pub(super) fn check(args: &GeneratorArgs, changes: &[Change]) -> Status {
    if changes.is_empty() {
        say!("up to date");
        return Status::Same;
    }
    let colour = coloured(&io::stdout());
    for change in changes {
        let name = change.path.display().to_string();
        let text = diff::unified(&name, change.old.as_deref(), change.new.as_deref());
        say!("{}", diff::painted(&text, colour).trim_end());
    }
    say!("");
    for change in changes {
        say!("{}: {}", change.state.name(), change.path.display());
    }
    let strays: Vec<String> = changes
        .iter()
        .filter(|change| change.new.is_none() && !change.ours)
        .map(|change| shell_word(&change.path.display().to_string()))
        .collect();
    let mut cures = Vec::new();
    if changes.iter().any(|change| change.new.is_some() || change.ours) {
        cures.push(regenerate(args));
    }
    if !strays.is_empty() {
        cures.push(format!("rm {}", strays.join(" ")));
    }
    say!("mend with: {}", cures.join(" && "));
    Status::Differs
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
