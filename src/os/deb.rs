//! The program that the Debian package brings, beside the one that apply has installed. Both are called
//! redisguard-install, and a shell finds the installed one first.

use super::command;
use crate::bundle::BINARY;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The package's program.
pub const PROGRAM: &str = "/usr/sbin/redisguard-install";

/// How to call this program so that it is this one that runs, as a word of a shell: by its path where it is the
/// package's, or where the name leads to nothing or to another program.
pub fn command_name() -> String {
    const NAME: &str = "redisguard-install";
    let own = env::current_exe().ok().filter(|own| own.is_file());
    match own {
        Some(own) if own == Path::new(PROGRAM) || !finds(NAME, &own) => quoted(&own),
        _ => NAME.to_owned(),
    }
}

/// Whether a shell that is given the name runs the same program as this one.
fn finds(name: &str, own: &Path) -> bool {
    let Some(found) = command::find(name) else { return false };
    let is_executable =
        fs::metadata(&found).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0);
    is_executable && (found == own || !differ(&found, own))
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@%:".contains(&byte);
    if text.bytes().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether this is the installed program, and the package's is another one, so mostly a newer.
pub fn is_outdated() -> bool {
    is_running(Path::new(BINARY)) && differ(Path::new(PROGRAM), Path::new(BINARY))
}

fn is_running(program: &Path) -> bool {
    std::env::current_exe().is_ok_and(|own| own == program)
}

/// Whether both are there and are not the same, byte for byte.
fn differ(one: &Path, other: &Path) -> bool {
    let length = |path| fs::metadata(path).map(|metadata| metadata.len());
    match (length(one), length(other)) {
        (Ok(one), Ok(other)) if one != other => true,
        _ => fs::read(one).is_ok_and(|one| fs::read(other).is_ok_and(|other| one != other)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (path, word) in [("/root/a-1.2", "/root/a-1.2"), ("/my own/it's", r"'/my own/it'\''s'")]
        {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }

    #[test]
    fn two_programs_differ_by_their_bytes_and_only_if_both_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, bytes) in [("one", "abc"), ("same", "abc"), ("other", "abd"), ("long", "abcd")] {
            fs::write(path(name), bytes).unwrap();
        }
        assert!(!differ(&path("one"), &path("same")));
        assert!(differ(&path("one"), &path("other")));
        assert!(differ(&path("one"), &path("long")));
        assert!(!differ(&path("one"), &path("missing")));
        assert!(!differ(&path("missing"), &path("one")));
    }
}
