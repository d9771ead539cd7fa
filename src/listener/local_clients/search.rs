//! Finds the path of a control group by its number: the inode of its directory in the file system of
//! control groups v2. To open it by its number would take a capability (open_by_handle_at(2)).
//!
//! Guarantees: a bounded number of directories and a bounded time.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Directories that one search reads. Only those with others below them count, a tenth of all on most
/// hosts.
const MAX_DIRECTORIES: usize = 4096;
/// The longest search: all connections wait for it.
const MAX_TIME: Duration = Duration::from_millis(10);
/// Links of a directory without directories below it.
const LEAF_LINKS: u64 = 2;

/// What a search found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The path below the root, which itself is `/`.
    Path(PathBuf),
    /// It is not there, or beyond the bound of directories.
    Nothing,
    /// The time was over.
    OutOfTime,
}

/// Looks for the control group `id` below `root`.
pub(super) fn find(root: &Path, id: u64) -> Found {
    let found = |path: &Path| match path.strip_prefix(root) {
        Ok(path) => Found::Path(Path::new("/").join(path)),
        Err(_) => Found::Nothing,
    };
    if fs::metadata(root).is_ok_and(|metadata| metadata.ino() == id) {
        return found(root);
    }
    let started = Instant::now();
    let mut unread = VecDeque::from([root.to_owned()]);
    // Breadth first: services are two levels deep, and what they divide themselves into is below.
    for _ in 0..MAX_DIRECTORIES {
        let Some(directory) = unread.pop_front() else { break };
        // One that cannot be read, or is gone by now, hides only what is below it.
        if let Ok(Some(path)) = find_below(&directory, id, &mut unread) {
            return found(&path);
        }
        if started.elapsed() >= MAX_TIME {
            return Found::OutOfTime;
        }
    }
    Found::Nothing
}

/// Looks through one directory, and adds those in it that have others below them to `unread`.
fn find_below(
    directory: &Path,
    id: u64,
    unread: &mut VecDeque<PathBuf>,
) -> io::Result<Option<PathBuf>> {
    let mut groups = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if entry.ino() == id {
            return Ok(Some(entry.path()));
        }
        groups.push(entry);
    }
    for group in groups {
        if group.metadata().is_ok_and(|metadata| metadata.nlink() != LEAF_LINKS) {
            unread.push_back(group.path());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Tries again where the machine is too busy.
    fn in_time(root: &Path, id: u64) -> Found {
        let mut results = std::iter::repeat_with(|| find(root, id)).take(100);
        results.find(|found| *found != Found::OutOfTime).unwrap()
    }

    #[test]
    fn every_directory_is_found_by_its_inode_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a.slice/b.service/c/d", "a.slice/e.service", "f"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs::write(folder.path().join("a.slice/cgroup.procs"), "").unwrap();
        for (path, expected) in [
            ("", Some("/")),
            ("f", Some("/f")),
            ("a.slice", Some("/a.slice")),
            ("a.slice/e.service", Some("/a.slice/e.service")),
            ("a.slice/b.service/c/d", Some("/a.slice/b.service/c/d")),
            ("a.slice/cgroup.procs", None),
        ] {
            let inode = fs::metadata(folder.path().join(path)).unwrap().ino();
            let expected = expected.map_or(Found::Nothing, |path| Found::Path(path.into()));
            assert_eq!(in_time(folder.path(), inode), expected, "{path}");
        }
        assert_eq!(in_time(folder.path(), u64::MAX), Found::Nothing);
        assert_eq!(in_time(&folder.path().join("gone"), 1), Found::Nothing);
    }
}
