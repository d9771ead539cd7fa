//! The error of an operation on a path, with the fix where the operating system's answer tells it.

use crate::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

/// "could not `verb` `path`", because of an answer of the system, whose kind is kept.
pub(super) fn path_error(verb: &str, path: &Path, error: &io::Error) -> Error {
    let failed = Error::io(format!("{verb} {}", path.display()), error);
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            failed.help("free some space and run it again")
        }
        #[cfg(feature = "installer")]
        ErrorKind::PermissionDenied if super::system::is_denied_to_root(error) => {
            failed.help("it may be immutable: lsattr shows it, and chattr -i ends it")
        }
        ErrorKind::PermissionDenied if verb == "read" => {
            failed.help("run it as a user who may read it")
        }
        ErrorKind::PermissionDenied => failed.help("run it as a user who may write there"),
        ErrorKind::IsADirectory => {
            failed.help("a directory is in its place: move it away and run it again")
        }
        ErrorKind::NotADirectory => {
            failed.help("a file is where a directory should: move it away and run it again")
        }
        ErrorKind::ReadOnlyFilesystem => {
            failed.help("make it writable (mount -o remount,rw) and run it again")
        }
        ErrorKind::ResourceBusy => {
            failed.help("something is mounted there: unmount it and run it again")
        }
        _ => failed,
    }
}

/// Whether an answer of the system says that there is nothing at a path.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(all(test, feature = "installer"))]
mod tests {
    use super::*;
    use nix::libc::{EACCES, EISDIR, EPERM};
    use nix::unistd::geteuid;

    #[test]
    fn the_help_is_for_what_the_system_refused() {
        let message = |verb, code| {
            path_error(verb, Path::new("/a"), &io::Error::from_raw_os_error(code)).to_string()
        };
        // Which of both the system says does not depend on who asks; what helps does.
        let immutable = message("write", EPERM).contains("lsattr");
        assert_eq!(immutable, geteuid().is_root(), "{}", message("write", EPERM));
        assert!(message("write", EACCES).contains("may write there"));
        assert!(message("read", EACCES).contains("may read it"));
        assert!(message("read", EISDIR).contains("move it away"));
    }
}
