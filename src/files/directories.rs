//! Makes and removes directories, and removes files.

use super::path_error::{is_missing, path_error};
use super::system;
use crate::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Makes a directory and those above it that are missing (0755). Returns those that it made, outermost
/// first.
///
/// # Errors
/// Names the directory that cannot be made; none is left behind.
pub fn make_directories(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut made = Vec::new();
    for path in missing_directories(directory) {
        match system::make_directory(&path) {
            Ok(()) => made.push(path),
            // Another run has made it meanwhile.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => {
                remove_directories(&made);
                return Err(not_made(&path, &error));
            }
        }
    }
    Ok(made)
}

fn not_made(path: &Path, error: &io::Error) -> Error {
    if error.kind() != ErrorKind::AlreadyExists || !path.is_symlink() {
        return path_error("make", path, error);
    }
    Error::new(format!("make {}", path.display()), "it is a link that leads nowhere")
        .help("remove that link, or create its target; then run it again")
}

/// Makes a directory as [`make_directories`] does, then writes into it. Returns the directories that it made.
///
/// # Errors
/// As [`make_directories`], and what `write` returns; no directory is left behind.
pub(super) fn with_directories(
    directory: &Path,
    write: impl FnOnce() -> Result<(), Error>,
) -> Result<Vec<PathBuf>, Error> {
    let made = make_directories(directory)?;
    let written = write();
    if written.is_err() {
        remove_directories(&made);
    }
    written.map(|()| made)
}

/// A directory and those above it that do not exist, outermost first.
pub fn missing_directories(directory: &Path) -> Vec<PathBuf> {
    let missing = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    missing.reverse();
    missing
}

/// Removes a directory with everything in it. One that does not exist is no error.
///
/// # Errors
/// Names the directory.
pub fn remove_tree(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if !is_missing(&error) => Err(path_error("remove", directory, &error)),
        _ => Ok(()),
    }
}

/// Removes directories, given outermost first, as far as they are empty.
pub fn remove_directories(made: &[PathBuf]) {
    for directory in made.iter().rev() {
        let _ = fs::remove_dir(directory);
    }
}

/// Removes a file or a link. One that does not exist is no error.
///
/// # Errors
/// Names the file.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        // The system may refuse to write to the directory before it looks for the file.
        Err(error) if !is_missing(&error) && fs::symlink_metadata(path).is_ok() => {
            Err(path_error("remove", path, &error))
        }
        _ => Ok(()),
    }
}
