//! Owns reading and replacing files so that a reader sees the old bytes or the new, never a part.
//! Follows no symbolic link at the place it writes to.

mod placing;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "without_modes.rs")]
mod system;

#[cfg(feature = "installer")]
pub use self::placing::link;
pub use self::placing::{
    Staged, create, directory_of, is_unfinished, keep, put_back, replace, replace_for, stage,
    sweep, unfinished,
};
#[cfg(feature = "installer")]
pub use self::system::own_ids;
pub use self::system::{mode, sync_directory};

use crate::error::Error;
use crate::os::os_error::trouble;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A file's bytes, or `None` where there is none.
///
/// # Errors
/// Anything else that keeps it from being read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(trouble("read", path, &error)),
    }
}

/// All regular files below a directory, by their path relative to it, with `/`; empty where there is none.
///
/// # Errors
/// An unreadable directory or file, or a symbolic link: what it names could lie anywhere.
pub fn read_tree(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(current) = open.pop() {
        let failed = |error| Error::new(format!("read {}", current.display()), error);
        let entries = match fs::read_dir(&current) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && current == directory => break,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(directory).unwrap_or(&path);
                let name = name.to_str().ok_or_else(|| {
                    Error::new(format!("read {}", path.display()), "its name is not UTF-8")
                })?;
                files.insert(system::with_slashes(name), read(&path)?.unwrap_or_default());
            } else {
                let cause = "it is neither a file nor a directory";
                return Err(Error::new(format!("read {}", path.display()), cause));
            }
        }
    }
    Ok(files)
}

/// Makes a directory and those above it that are missing; the made ones, outermost first.
///
/// # Errors
/// What keeps one from being made; none is left behind.
pub fn make_directories(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut made = Vec::new();
    for path in missing_directories(directory) {
        let result = match system::make_directory(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => continue,
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_symlink() => {
                remove_directories(&made);
                let cause = "it is a link that leads nowhere";
                return Err(Error::new(format!("make {}", path.display()), cause)
                    .help("remove that link, or make what it leads to; then run the same again"));
            }
            result => result,
        };
        if let Err(error) = result {
            remove_directories(&made);
            return Err(trouble("make", &path, &error));
        }
        made.push(path);
    }
    Ok(made)
}

/// A directory and those above it that are not there, outermost first.
pub fn missing_directories(directory: &Path) -> Vec<PathBuf> {
    let missing = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    missing.reverse();
    missing
}

/// Removes a directory with all that is in it; a missing one is fine.
///
/// # Errors
/// Names the directory.
pub fn remove_tree(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if !is_missing(&error) => Err(trouble("remove", directory, &error)),
        _ => Ok(()),
    }
}

/// Removes directories that are empty, innermost first; others stay.
pub fn remove_directories(made: &[PathBuf]) {
    for directory in made.iter().rev() {
        let _ = fs::remove_dir(directory);
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Removes a file or a link; a missing one is fine.
///
/// # Errors
/// Names the file.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        // A directory that cannot be written is no trouble where there is nothing to remove.
        Err(error) if !is_missing(&error) && fs::symlink_metadata(path).is_ok() => {
            Err(trouble("remove", path, &error))
        }
        _ => Ok(()),
    }
}

#[cfg(all(test, feature = "installer"))]
mod tests;
