//! Owns putting files and links in their places, each in one step and so that it can be put back, and
//! finding what was left unfinished.

use super::system;
use super::{is_missing, make_directories, remove, remove_directories, trouble};
use crate::error::Error;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Puts bytes in a file's place with the given mode: a temporary file beside it, fsync, rename.
/// Missing directories are made (0755) and returned, outermost first.
///
/// # Errors
/// Names the file; nothing is left behind.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<Vec<PathBuf>, Error> {
    replace_for(path, bytes, mode, None)
}

/// [`replace`], with the user and group that shall own the file.
///
/// # Errors
/// As [`replace`].
pub fn replace_for(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<Vec<PathBuf>, Error> {
    place(path, bytes, mode, owner, Staged::put_in_place)
}

/// Puts bytes in a new file, in one step as [`replace`] does.
///
/// # Errors
/// As [`replace`], and where anything stands there already, also a link that leads nowhere.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<Vec<PathBuf>, Error> {
    place(path, bytes, mode, None, Staged::put_in_empty_place)
}

fn place(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
    put: fn(Staged) -> Result<(), Error>,
) -> Result<Vec<PathBuf>, Error> {
    let made = make_directories(directory_of(path))?;
    let placed = stage(path, bytes, mode, owner)
        .and_then(put)
        .and_then(|()| system::sync_directory(directory_of(path)));
    if placed.is_err() {
        remove_directories(&made);
    }
    placed.map(|()| made)
}

/// A file that is written and waits beside the place that it is for; gone if it is dropped.
pub struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

/// Writes a file beside its place, to the disk. The directory must be there.
///
/// # Errors
/// Names the file; nothing is left behind.
pub fn stage(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<Staged, Error> {
    let write = || -> io::Result<NamedTempFile> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(UNFINISHED)
            .tempfile_in(directory_of(path))?;
        file.write_all(bytes)?;
        if let Some(owner) = owner {
            system::set_owner(file.as_file(), owner)?;
        }
        system::set_mode(file.as_file(), mode)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    let file = write().map_err(|error| trouble("write", path, &error))?;
    Ok(Staged { file, path: path.to_path_buf() })
}

impl Staged {
    /// Puts the file in its place, in one step. That lasts when the directory is synced.
    ///
    /// # Errors
    /// Names the file; its place is as it was.
    pub fn put_in_place(self) -> Result<(), Error> {
        let put = self.file.persist(&self.path);
        put.map(drop).map_err(|error| trouble("write", &self.path, &error.error))
    }

    /// The same for a place where nothing stands.
    ///
    /// # Errors
    /// Names the file, also where something stands there.
    pub fn put_in_empty_place(self) -> Result<(), Error> {
        let put = self.file.persist_noclobber(&self.path);
        put.map(drop).map_err(|error| trouble("write", &self.path, &error.error))
    }
}

/// The directory that a file is in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Gives what stands at a path a second name beside it. [`put_back`] undoes with it whatever is done
/// to the path then, to the last attribute, and however full the disk is. `None` where nothing stands.
///
/// # Errors
/// Names the path.
pub fn keep(path: &Path) -> Result<Option<PathBuf>, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 0.. {
        let kept = path.with_file_name(format!(".{name}.{number}{UNFINISHED}"));
        match fs::hard_link(path, &kept) {
            Ok(()) => return Ok(Some(kept)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if is_missing(&error) => break,
            Err(error) => return Err(trouble("write", path, &error)),
        }
    }
    Ok(None)
}

/// Puts back what [`keep`] kept: nothing, where nothing stood there.
///
/// # Errors
/// Names the path.
pub fn put_back(path: &Path, kept: Option<&Path>) -> Result<(), Error> {
    let Some(kept) = kept else { return remove(path) };
    fs::rename(kept, path).map_err(|error| trouble("put back", path, &error))?;
    // Where both were still names of one file, rename(2) has left both.
    remove(kept)
}

/// Puts a symbolic link in a path's place, in one step.
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
        trouble(&format!("link to {target} from"), path, &error)
    })
}

/// How the name of a file ends that is being written, or waits to be put back. Programs that read
/// whole directories pass over names that end like this (logrotate(8), run-parts(8)).
const UNFINISHED: &str = ".redisguard~";

/// Whether a name is that of a file that was never finished.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(UNFINISHED)
}

/// What runs that were killed left beside these paths. Only under the lock is it sure that none still
/// runs. Reads each directory once.
pub fn unfinished(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut names: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for path in paths {
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            names.entry(directory).or_default().push(format!(".{}.", name.to_string_lossy()));
        }
    }
    let mut left = Vec::new();
    for (directory, prefixes) in names {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_ours = || prefixes.iter().any(|prefix| name.starts_with(prefix));
            if is_unfinished(&name) && is_ours() {
                left.push(entry.path());
            }
        }
    }
    left
}

/// Removes what [`unfinished`] names. Only under the lock.
pub fn sweep(paths: &[PathBuf]) {
    for left in unfinished(paths) {
        let _ = fs::remove_file(left);
    }
}
