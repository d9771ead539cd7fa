//! Owns reading and replacing files so that a reader sees the old bytes or the new, never a part.
//! Follows no symbolic link at the place it writes to.

use super::refusal::trouble;
use crate::error::Trouble;
use nix::unistd::{getegid, geteuid};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file's bytes, or `None` where there is none.
///
/// # Errors
/// Anything else that keeps it from being read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Trouble> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(trouble("read", path, &error)),
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
    place(path, bytes, mode, owner, Staged::put_in_place)
}

/// Puts bytes in a new file, in one step as [`replace`] does.
///
/// # Errors
/// As [`replace`], and where anything stands there already, also a link that leads nowhere.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<Vec<PathBuf>, Trouble> {
    place(path, bytes, mode, None, Staged::put_in_empty_place)
}

fn place(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
    put: fn(Staged) -> Result<(), Trouble>,
) -> Result<Vec<PathBuf>, Trouble> {
    let made = make_directories(directory_of(path))?;
    let placed = stage(path, bytes, mode, owner)
        .and_then(put)
        .and_then(|()| sync_directory(directory_of(path)));
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
) -> Result<Staged, Trouble> {
    let write = || -> io::Result<NamedTempFile> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(UNFINISHED)
            .tempfile_in(directory_of(path))?;
        file.write_all(bytes)?;
        if let Some((user, group)) = owner.filter(|owner| *owner != own_ids()) {
            chown(file.path(), Some(user), Some(group))?;
        }
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
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
    pub fn put_in_place(self) -> Result<(), Trouble> {
        let put = self.file.persist(&self.path);
        put.map(drop).map_err(|error| trouble("write", &self.path, &error.error))
    }

    /// The same for a place where nothing stands.
    ///
    /// # Errors
    /// Names the file, also where something stands there.
    pub fn put_in_empty_place(self) -> Result<(), Trouble> {
        let put = self.file.persist_noclobber(&self.path);
        put.map(drop).map_err(|error| trouble("write", &self.path, &error.error))
    }
}

/// Has the names in a directory last.
///
/// # Errors
/// Names the directory.
pub fn sync_directory(directory: &Path) -> Result<(), Trouble> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| trouble("write", directory, &error))
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
pub fn keep(path: &Path) -> Result<Option<PathBuf>, Trouble> {
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
pub fn put_back(path: &Path, kept: Option<&Path>) -> Result<(), Trouble> {
    let Some(kept) = kept else { return remove(path) };
    fs::rename(kept, path).map_err(|error| trouble("put back", path, &error))?;
    // Where both were still names of one file, rename(2) has left both.
    remove(kept)
}

/// Puts a symbolic link in a path's place, in one step.
///
/// # Errors
/// Names the path.
pub fn link(path: &Path, target: &str) -> Result<(), Trouble> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.link{UNFINISHED}"));
    let made = symlink(target, &fresh).and_then(|()| fs::rename(&fresh, path));
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

/// The user and group that this process makes files as.
pub fn own_ids() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

/// Makes a directory and those above it that are missing; the made ones, outermost first.
///
/// # Errors
/// What keeps one from being made; none is left behind.
pub fn make_directories(directory: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut made = Vec::new();
    for path in missing_directories(directory) {
        let result = match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => continue,
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_symlink() => {
                remove_directories(&made);
                let cause = "it is a link that leads nowhere";
                return Err(Trouble::new(format!("make {}", path.display()), cause)
                    .cure("remove that link, or make what it leads to; then run the same again"));
            }
            result => {
                result.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            }
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
pub fn remove_tree(directory: &Path) -> Result<(), Trouble> {
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
pub fn remove(path: &Path) -> Result<(), Trouble> {
    match fs::remove_file(path) {
        // A directory that cannot be written is no trouble where there is nothing to remove.
        Err(error) if !is_missing(&error) && fs::symlink_metadata(path).is_ok() => {
            Err(trouble("remove", path, &error))
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
        for name in [".a.x1.redisguard~", ".b.x1.redisguard~", "a.redisguard~", ".a.x1"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        sweep(&[root.path().join("a")]);
        let mut left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".a.x1", ".b.x1.redisguard~", "a.redisguard~"]);
    }

    #[test]
    fn what_was_kept_comes_back_whole_and_leaves_no_second_name() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        let names = || fs::read_dir(root.path()).unwrap().count();
        let nothing = keep(&path).unwrap();
        assert!(nothing.is_none());
        fs::write(&path, "old").unwrap();
        let before = fs::metadata(&path).unwrap();
        // Untouched, replaced, replaced by a link, removed.
        let changes: [fn(&Path); 4] = [
            |_| {},
            |path| drop(replace(path, b"new", 0o600).unwrap()),
            |path| link(path, "/elsewhere").unwrap(),
            |path| remove(path).unwrap(),
        ];
        for change in changes {
            let (first, second) = (keep(&path).unwrap(), keep(&path).unwrap());
            change(&path);
            put_back(&path, second.as_deref()).unwrap();
            put_back(&path, first.as_deref()).unwrap();
            let after = fs::symlink_metadata(&path).unwrap();
            assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
            assert_eq!(names(), 1);
        }
        put_back(&path, None).unwrap();
        assert_eq!(names(), 0);
    }

    #[test]
    fn a_tree_with_a_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("x")).unwrap();
        assert!(read_tree(root.path()).unwrap_err().to_string().contains("neither a file"));
        assert!(read_tree(&root.path().join("absent")).unwrap().is_empty());
    }
}
