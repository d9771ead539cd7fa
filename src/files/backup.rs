//! Keeps a file or link under a second name while its path is changed, to undo the change.

use super::directories::remove;
use super::path_error::{is_missing, path_error};
use super::unfinished::UNFINISHED;
use crate::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Gives what is at a path a second name beside it (a hard link). With that, [`restore`] undoes whatever
/// is done to the path, to the last attribute, and on a full disk too. `None` where nothing is there.
///
/// # Errors
/// Names the path.
pub fn back_up(path: &Path) -> Result<Option<PathBuf>, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 0.. {
        let backup = path.with_file_name(format!(".{name}.{number}{UNFINISHED}"));
        match fs::hard_link(path, &backup) {
            Ok(()) => return Ok(Some(backup)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if is_missing(&error) => break,
            Err(error) => return Err(path_error("write", path, &error)),
        }
    }
    Ok(None)
}

/// Undoes all changes to a path since [`back_up`], whose result `backup` is.
///
/// # Errors
/// Names the path.
pub fn restore(path: &Path, backup: Option<&Path>) -> Result<(), Error> {
    let Some(backup) = backup else { return remove(path) };
    fs::rename(backup, path).map_err(|error| path_error("put back", path, &error))?;
    // Where both are names of one file still, rename(2) does nothing.
    remove(backup)
}
