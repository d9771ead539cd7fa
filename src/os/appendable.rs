//! Why a file cannot be appended to, as root sees it: without a write, which would leave a trace.
//!
//! Never: knows quotas, or the attributes of chattr(1). Judges by what a sandbox shows: there, directories are
//! read-only or missing that are not so for others.

use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file's directory does not exist.
    NoDirectory,
    /// This cause, and what a person must do about it.
    Other {
        /// What is wrong.
        cause: String,
        /// What helps.
        action: String,
    },
}

/// What is in the way of appending to the file at `path`, which the owner of its directory writes. A file that
/// does not exist can be created. `None` where this process sees other file systems than the host's first
/// process, as a unit does that ProtectSystem= confines.
pub fn obstacle(path: &Path) -> Option<Obstacle> {
    // namespaces(7). To read the second takes a right that a sandbox may lack.
    let [own, first] = ["/proc/self/ns/mnt", "/proc/1/ns/mnt"].map(fs::read_link);
    let sees_the_host = own.is_ok_and(|own| first.is_ok_and(|first| own == first));
    sees_the_host.then(|| obstacle_here(path)).flatten()
}

fn obstacle_here(path: &Path) -> Option<Obstacle> {
    let other =
        |cause: &str, action: String| Some(Obstacle::Other { cause: cause.to_owned(), action });
    let directory = path.parent()?;
    let Ok(within) = fs::metadata(directory) else { return Some(Obstacle::NoDirectory) };
    let shown = path.display();
    if !within.is_dir() {
        let directory = directory.display();
        return other("its directory is not a directory", format!("move {directory} away"));
    }
    if let Ok(file) = fs::metadata(path) {
        if file.is_dir() {
            return other("it is a directory", format!("move the directory {shown} away"));
        }
        if file.uid() != within.uid() {
            let directory = directory.display();
            let action = format!("run `chown --reference={directory} {shown}`");
            return other("it belongs to another user than its directory", action);
        }
        if file.is_file() && file.mode() & 0o200 == 0 {
            return other("its mode forbids it", format!("run `chmod u+w {shown}`"));
        }
    }
    let system = statvfs(path).or_else(|_| statvfs(directory)).ok()?;
    if system.flags().contains(FsFlags::ST_RDONLY) {
        let action = format!("make the file system of {} writable", directory.display());
        return other("its file system is read-only", action);
    }
    is_full(&system).then_some(())?;
    other("its disk is full", format!("free space on the disk of {}", directory.display()))
}

/// Whether users without rights find no space. Some file systems do not tell their size.
fn is_full(system: &Statvfs) -> bool {
    system.blocks() > 0 && system.blocks_available() == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn cause(path: &Path) -> String {
        match obstacle_here(path) {
            Some(Obstacle::Other { cause, action }) => {
                assert!(action.contains(path.parent().unwrap().to_str().unwrap()), "{action}");
                cause
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let log = folder.path().join("log");
        assert_eq!(obstacle_here(&log), None, "it can be created");
        fs::write(&log, "").unwrap();
        assert_eq!(obstacle_here(&log), None);
        fs::set_permissions(&log, Permissions::from_mode(0o440)).unwrap();
        assert_eq!(cause(&log), "its mode forbids it");
        assert_eq!(cause(&log.join("log")), "its directory is not a directory");
        fs::remove_file(&log).unwrap();
        fs::create_dir(&log).unwrap();
        assert_eq!(cause(&log), "it is a directory");
        assert_eq!(obstacle_here(&log.join("gone/log")), Some(Obstacle::NoDirectory));
    }
}
