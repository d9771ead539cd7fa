//! `--generate`: the man pages and shell completions of both programs, for packages of them.
//!
//! Guarantees: both come from the definition that `--help` is printed from, and one program writes the
//! same bytes on every machine.
//!
//! Never: reads a TOML. The pages belong to the program, not to a site's bundle.

use crate::args::{self, PackageFiles};
use crate::cli::output::{Status, out};
use crate::error::Error;
use crate::files;
use clap::Command;
use clap::builder::Resettable;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;
use std::path::Path;

/// In the footer of each page, which names the version (man-pages(7)).
const SOURCE: &str = concat!("redisguard ", env!("CARGO_PKG_VERSION"));

/// Writes the files of one kind into `directory`, without subdirectories.
///
/// # Errors
/// Names the file that could not be written.
pub(super) fn write(kind: PackageFiles, directory: &Path) -> Result<Status, Error> {
    let rendered = match kind {
        PackageFiles::Man => pages().map_err(|error| Error::new("render the man pages", error))?,
        PackageFiles::Completions => completions(),
    };
    for (name, text) in rendered {
        let path = directory.join(name);
        files::replace(&path, &text, 0o644)?;
        out!("wrote {}", path.display());
    }
    Ok(Status::Same)
}

/// The completions of each program, as (file name, text). The names are those that each shell looks
/// for in its directory; bash takes the suffix off.
fn completions() -> Vec<(String, Vec<u8>)> {
    let each = args::commands().into_iter().flat_map(|command| {
        let name = command.get_name().to_owned();
        [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Fish, format!("{name}.fish")),
            (Shell::Zsh, format!("_{name}")),
        ]
        .map(|(shell, file)| {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), &name, &mut text);
            (file, text)
        })
    });
    each.collect()
}

/// A page for each program and each of its verbs, as (file name, text). Verbs of a verb are sections
/// of its page.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    for command in args::commands() {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        pages.push(page(&command, command.get_name())?);
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let name = format!("{}-{}", command.get_name(), verb.get_name());
            pages.push(page(&verb.clone().display_name(&name), &name)?);
        }
    }
    Ok(pages)
}

fn page(command: &Command, name: &str) -> io::Result<(String, Vec<u8>)> {
    // The footer has the version; clap_mangen would add a section, to the pages of the programs alone.
    let man = Man::new(command.clone().version(Resettable::Reset))
        .title(name.to_uppercase())
        .source(SOURCE)
        .manual("redisguard");
    let mut bytes = Vec::new();
    man.render(&mut bytes)?;
    // clap_mangen puts what ends a help under EXTRA; exit statuses have a section of their own in
    // man-pages(7).
    let text = String::from_utf8_lossy(&bytes);
    let text = text.replace(".SH EXTRA\nExit status: ", ".SH EXIT STATUS\n");
    Ok((format!("{name}.1"), text.into_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_the_section_about_the_exit_status_that_readers_look_for() {
        let pages = pages().unwrap();
        assert!(pages.len() > 10);
        for (name, text) in pages {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains("EXTRA"), "{name}");
            // `rules` itself does nothing, its verbs do.
            let wanted = !name.ends_with("-rules.1");
            assert_eq!(text.contains("\n.SH EXIT STATUS\n0 "), wanted, "{name}");
        }
    }
}
