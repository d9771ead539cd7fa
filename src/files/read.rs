//! Reads files and trees. Changes nothing.

use super::path_error::{is_missing, path_error};
use crate::error::Error;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{MAIN_SEPARATOR, Path};

/// A file's bytes; `None` where there is none.
///
/// # Errors
/// Names the file and what keeps it from being read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(path_error("read", path, &error)),
    }
}

/// All regular files below a directory, by their path relative to it, with `/`; none where it does not exist.
///
/// # Errors
/// A directory or file that cannot be read, or anything else, such as a symbolic link: what that names
/// could lie anywhere.
pub fn read_tree(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(current) = open.pop() {
        let failed = |error| Error::io(format!("read {}", current.display()), &error);
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
                files.insert(name.replace(MAIN_SEPARATOR, "/"), read(&path)?.unwrap_or_default());
            } else {
                let cause = "it is neither a file nor a directory";
                return Err(Error::new(format!("read {}", path.display()), cause));
            }
        }
    }
    Ok(files)
}
