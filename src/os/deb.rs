//! The program that the Debian package brings, beside the one that apply has installed. Both are called
//! redisguard-install, and a shell finds the installed one first.

use crate::bundle::BINARY;
use std::fs;
use std::path::Path;

/// The package's program.
pub const PROGRAM: &str = "/usr/sbin/redisguard-install";

/// How to call this program so that it is this one that runs: by its path where it is the package's.
pub fn command_name() -> &'static str {
    if is_running(Path::new(PROGRAM)) { PROGRAM } else { "redisguard-install" }
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
    fs::read(one).is_ok_and(|one| fs::read(other).is_ok_and(|other| one != other))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
