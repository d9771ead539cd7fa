//! Owns the man pages and the shell completions: both come from the command lines' own definition.

use crate::args;
use clap::Command;
use clap::builder::Resettable;
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use std::io;

/// Every page and completion, as (path in the bundle, text).
///
/// # Errors
/// Never: both writers only fill memory.
pub(super) fn render() -> io::Result<Vec<(String, String)>> {
    let mut artifacts = Vec::new();
    for command in args::commands() {
        pages(&command, &mut artifacts)?;
        for (shell, file) in [
            (Shell::Bash, format!("{}.bash", command.get_name())),
            (Shell::Fish, format!("{}.fish", command.get_name())),
            (Shell::Zsh, format!("_{}", command.get_name())),
        ] {
            let mut bytes = Vec::new();
            let name = command.get_name().to_owned();
            generate(shell, &mut command.clone(), name, &mut bytes);
            artifacts.push((format!("completions/{file}"), marked(shell, &bytes)));
        }
    }
    Ok(artifacts)
}

/// zsh reads `#compdef` from the first line only; the others take the mark at the top.
fn marked(shell: Shell, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mark = format!("# {}\n", super::text::MARK);
    match (shell, text.split_once('\n')) {
        (Shell::Zsh, Some((first, rest))) => format!("{first}\n{mark}{rest}"),
        _ => format!("{mark}{text}"),
    }
}

/// The page of a command; those of its verbs are sections of their own pages.
fn pages(command: &Command, artifacts: &mut Vec<(String, String)>) -> io::Result<()> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    page(&command, command.get_name(), artifacts)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("{}-{}", command.get_name(), verb.get_name());
        page(&verb.clone().display_name(&name), &name, artifacts)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str, artifacts: &mut Vec<(String, String)>) -> io::Result<()> {
    // The release's number would make every page differ with every release.
    let man = Man::new(command.clone().version(Resettable::Reset))
        .title(name.to_uppercase())
        .source("redisguard")
        .manual("redisguard");
    let mut bytes = Vec::new();
    man.render(&mut bytes)?;
    // What ends a help has a section of its own in man-pages(7).
    let text = String::from_utf8_lossy(&bytes);
    let text = text.replace(".SH EXTRA\nExit status: ", ".SH EXIT STATUS\n");
    let text = format!(".\\\" {}\n{text}", super::text::MARK);
    artifacts.push((format!("man/{name}.1"), text));
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_the_section_about_the_exit_status_that_readers_look_for() {
        let artifacts = render().unwrap();
        let pages: Vec<_> = artifacts.iter().filter(|(path, _)| path.starts_with("man/")).collect();
        assert!(pages.len() > 10);
        for (path, text) in pages {
            assert!(!text.contains("EXTRA"), "{path}");
            // `rules` itself does nothing, its two verbs do.
            let wanted = !path.ends_with("-rules.1");
            assert_eq!(text.contains("\n.SH EXIT STATUS\n0 "), wanted, "{path}");
        }
    }
}
