//! The names of files that are being written, and of those that killed runs have left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How the name of a file ends that is being written, or is a backup. Programs that read whole directories
/// skip names that end like this (logrotate(8), run-parts(8)).
pub(super) const UNFINISHED: &str = ".redisguard~";

/// Whether a file's name is that of a temporary file or a backup.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(UNFINISHED)
}

/// What killed runs have left beside these paths. Only under the lock is it certain that they do not run
/// any more. Reads each directory once.
pub fn unfinished(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut names: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for path in paths {
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            names.entry(directory).or_default().push(format!(".{}.", name.to_string_lossy()));
        }
    }
    let mut found = Vec::new();
    for (directory, prefixes) in names {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_beside = || prefixes.iter().any(|prefix| name.starts_with(prefix));
            if is_unfinished(&name) && is_beside() {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Removes what [`unfinished`] finds. Only under the lock.
pub fn remove_unfinished(paths: &[PathBuf]) {
    for path in unfinished(paths) {
        // One that stays is found again by the next run.
        let _ = fs::remove_file(path);
    }
}
