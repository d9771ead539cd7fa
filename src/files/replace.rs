//! Replaces files and links atomically: a new file beside the old one, fsync, rename. A reader sees the old
//! bytes or the new, never a part.
//!
//! Never: follows a symbolic link at the path that it replaces.

use super::directories::with_directories;
use super::path_error::path_error;
use super::system;
use super::unfinished::UNFINISHED;
use crate::error::Error;
#[cfg(feature = "installer")]
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Replaces a file, or creates it, with the given mode. Makes missing directories (0755), and returns
/// those, outermost first.
///
/// # Errors
/// Names the file; nothing is left behind.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<Vec<PathBuf>, Error> {
    replace_owned(path, bytes, mode, None)
}

/// [`replace`] with the user and group that are to own the file.
///
/// # Errors
/// As [`replace`].
pub fn replace_owned(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<Vec<PathBuf>, Error> {
    write(path, bytes, mode, owner, Staged::commit)
}

/// Creates a file as [`replace`] does.
///
/// # Errors
/// As [`replace`], and where anything is at the path already, be it a link that leads nowhere.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<Vec<PathBuf>, Error> {
    write(path, bytes, mode, None, Staged::commit_new)
}

fn write(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
    commit: fn(Staged) -> Result<(), Error>,
) -> Result<Vec<PathBuf>, Error> {
    let directory = directory_of(path);
    with_directories(directory, || {
        stage(path, bytes, mode, owner).and_then(commit)?;
        sync_directory(directory)
    })
}

/// A file that is written beside the path that it is for; dropping it removes it.
pub struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

/// Writes a file beside its path, through to the disk. The directory must exist.
///
/// # Errors
/// Names the file; nothing is left behind.
pub fn stage(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<Staged, Error> {
    let stage = || -> io::Result<NamedTempFile> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // In the same directory: rename(2) is atomic within one file system only.
        let mut file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(UNFINISHED)
            .tempfile_in(directory_of(path))?;
        file.write_all(bytes)?;
        // Before the mode, whose bits chown(2) may clear.
        if let Some(owner) = owner {
            system::set_owner(file.as_file(), owner)?;
        }
        system::set_mode(file.as_file(), mode)?;
        // Before the rename: after a crash the path must not lead to a file without its bytes.
        file.as_file().sync_all()?;
        Ok(file)
    };
    let file = stage().map_err(|error| path_error("write", path, &error))?;
    Ok(Staged { file, path: path.to_path_buf() })
}

impl Staged {
    /// Renames the file to its path. That is on the disk once the directory is synced.
    ///
    /// # Errors
    /// Names the file; its path is as it was.
    pub fn commit(self) -> Result<(), Error> {
        let renamed = self.file.persist(&self.path);
        renamed.map(drop).map_err(|error| path_error("write", &self.path, &error.error))
    }

    /// The same where nothing is at the path.
    ///
    /// # Errors
    /// Names the file, also where something is there.
    pub fn commit_new(self) -> Result<(), Error> {
        let renamed = self.file.persist_noclobber(&self.path);
        renamed.map(drop).map_err(|error| path_error("write", &self.path, &error.error))
    }
}

/// Writes the names in a directory through to the disk.
///
/// # Errors
/// Names the directory.
pub fn sync_directory(directory: &Path) -> Result<(), Error> {
    system::sync_directory(directory).map_err(|error| path_error("write", directory, &error))
}

/// The directory of a file.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Replaces what is at a path, or nothing, with a symbolic link.
///
/// # Errors
/// Names the path.
#[cfg(feature = "installer")]
pub fn link(path: &Path, target: &str) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.link{UNFINISHED}"));
    let made = system::symlink(target, &fresh).and_then(|()| fs::rename(&fresh, path));
    made.map_err(|error| {
        let _ = fs::remove_file(&fresh);
        path_error(&format!("link to {target} from"), path, &error)
    })
}
