//! Owns what an answer of the system means for an operator: the cure, where the answer tells it.

use crate::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

/// What could not be done to a path, and the cure where the system's answer tells it.
pub(crate) fn trouble(verb: &str, path: &Path, error: &io::Error) -> Error {
    let trouble = Error::new(format!("{verb} {}", path.display()), error);
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            trouble.help("free some space and run the same again")
        }
        #[cfg(feature = "installer")]
        ErrorKind::PermissionDenied if is_denied_to_root(error) => {
            trouble.help("it may be immutable: lsattr shows it, and chattr -i ends it")
        }
        ErrorKind::PermissionDenied if verb == "read" => {
            trouble.help("run it as a user who may read it")
        }
        ErrorKind::PermissionDenied => trouble.help("run it as a user who may write there"),
        ErrorKind::IsADirectory => {
            trouble.help("a directory stands in its place: move it away and run the same again")
        }
        ErrorKind::NotADirectory => trouble
            .help("a file stands where a directory should: move it away and run the same again"),
        ErrorKind::ReadOnlyFilesystem => {
            trouble.help("make it writable (mount -o remount,rw) and run the same again")
        }
        ErrorKind::ResourceBusy => {
            trouble.help("something is mounted there: unmount it and run the same again")
        }
        _ => trouble,
    }
}

/// Whether root itself was refused: root may do all that a mode forbids, so an attribute of the file
/// is left (chattr(1)). The generator has no part in this: it changes no file of root's.
#[cfg(feature = "installer")]
fn is_denied_to_root(error: &io::Error) -> bool {
    use nix::{libc::EPERM, unistd::geteuid};
    error.raw_os_error() == Some(EPERM) && geteuid().is_root()
}

#[cfg(all(test, feature = "installer"))]
mod tests {
    use super::*;
    use nix::libc::{EACCES, EISDIR, EPERM};
    use nix::unistd::geteuid;

    #[test]
    fn the_cure_is_for_what_the_system_refused() {
        let told = |verb, code| {
            trouble(verb, Path::new("/a"), &io::Error::from_raw_os_error(code)).to_string()
        };
        // Which of both the system says does not depend on who asks; what helps does.
        let immutable = told("write", EPERM).contains("lsattr");
        assert_eq!(immutable, geteuid().is_root(), "{}", told("write", EPERM));
        assert!(told("write", EACCES).contains("may write there"));
        assert!(told("read", EACCES).contains("may read it"));
        assert!(told("read", EISDIR).contains("move it away"));
    }
}
