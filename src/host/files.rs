//! Owns reading and replacing files so that a reader sees the old bytes or the new, never a part.
//! Follows no symbolic link at the place it writes to.

use crate::error::Trouble;
use nix::unistd::{getegid, geteuid};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// A file's bytes, or `None` where there is none.
///
/// # Errors
/// Anything else that keeps it from being read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Trouble> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Trouble::new(format!("read {}", path.display()), error)),
    }
}

/// All regular files below a directory, by their path relative to it; empty where there is none.
///
/// # Errors
/// An unreadable directory or file, or a symbolic link: what it names could lie anywhere.
pub fn read_tree(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, Trouble> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(current) = open.pop() {
        let failed = |error| Trouble::new(format!("read {}", current.display()), error);
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
                    Trouble::new(format!("read {}", path.display()), "its name is not UTF-8")
                })?;
                files.insert(name.to_owned(), read(&path)?.unwrap_or_default());
            } else {
                let cause = "it is neither a file nor a directory";
                return Err(Trouble::new(format!("read {}", path.display()), cause));
            }
        }
    }
    Ok(files)
}

/// The permission bits, without the file's type; `None` where there is nothing.
pub fn mode(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.mode() & 0o7777)
}

/// Puts bytes in a file's place with the given mode: a temporary file beside it, fsync, rename.
/// Missing directories are made (0755) and returned, outermost first.
///
/// # Errors
/// Names the file; nothing is left behind.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<Vec<PathBuf>, Trouble> {
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
) -> Result<Vec<PathBuf>, Trouble> {
    let failed = |error: io::Error| {
        let trouble = Trouble::new(format!("write {}", path.display()), &error);
        match error.kind() {
            ErrorKind::StorageFull => trouble.cure("free some space and run the same again"),
            ErrorKind::PermissionDenied => trouble.cure("run it as a user who may write there"),
            _ => trouble,
        }
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let made = make_directories(directory).map_err(failed)?;
    let write = || -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(UNFINISHED)
            .tempfile_in(directory)?;
        file.write_all(bytes)?;
        if let Some((user, group)) = owner.filter(|owner| *owner != own_ids()) {
            chown(file.path(), Some(user), Some(group))?;
        }
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| {
        remove_directories(&made);
        failed(error)
    })?;
    Ok(made)
}

/// How the name of a file that is being written ends.
const UNFINISHED: &str = ".redisguard-new";

/// The user and group that this process makes files as.
pub fn own_ids() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

/// Removes what a run that was killed while it wrote a file left beside it. Only under the lock.
pub fn sweep(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
    let prefix = format!(".{}.", name.to_string_lossy());
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes a directory and those above it that are missing; the made ones, outermost first.
///
/// # Errors
/// What keeps one from being made; none is left behind.
pub fn make_directories(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<PathBuf> = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .map(Path::to_path_buf)
        .collect();
    let mut made = Vec::new();
    for path in missing.into_iter().rev() {
        let result = match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            result => {
                result.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            }
        };
        if let Err(error) = result {
            remove_directories(&made);
            return Err(error);
        }
        made.push(path);
    }
    Ok(made)
}

/// Removes directories that are empty, innermost first; others stay.
pub fn remove_directories(made: &[PathBuf]) {
    for directory in made.iter().rev() {
        let _ = fs::remove_dir(directory);
    }
}

/// Removes a file or a link; a missing one is fine.
///
/// # Errors
/// Names the file.
pub fn remove(path: &Path) -> Result<(), Trouble> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Trouble::new(format!("remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_the_bytes_the_mode_and_no_litter() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/file");
        let made = replace(&path, b"one", 0o644).unwrap();
        assert_eq!(made, [root.path().join("a"), root.path().join("a/b")]);
        assert!(replace(&path, b"two", 0o600).unwrap().is_empty());
        assert_eq!((read(&path).unwrap().unwrap(), mode(&path)), (b"two".to_vec(), Some(0o600)));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_files_place_is_replaced_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (target, link) = (root.path().join("target"), root.path().join("link"));
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, b"new", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("new/file/in-the-way")).unwrap();
        let error = replace(&root.path().join("new/file"), b"x", 0o644).unwrap_err().to_string();
        assert!(error.starts_with("could not write"), "{error}");
        assert_eq!(fs::read_dir(root.path().join("new")).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        for name in [".a.x1.redisguard-new", ".b.x1.redisguard-new", "a.redisguard-new", ".a.x1"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        sweep(&root.path().join("a"));
        let mut left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".a.x1", ".b.x1.redisguard-new", "a.redisguard-new"]);
    }

    #[test]
    fn a_tree_with_a_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("x")).unwrap();
        assert!(read_tree(root.path()).unwrap_err().to_string().contains("neither a file"));
        assert!(read_tree(&root.path().join("absent")).unwrap().is_empty());
    }
}
