//! Modes, owners, symbolic links and durable directory entries, as Unix has them.

use crate::error::Error;
use crate::os::os_error::trouble;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

#[cfg(feature = "installer")]
pub(super) use std::os::unix::fs::symlink;

/// The permission bits, without the file's type; `None` where there is nothing.
pub fn mode(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.mode() & 0o7777)
}

pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Makes one directory that everyone may read, whatever the umask.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Gives a new file to a user and a group, unless it is theirs: fchown(2) can fail even then, on file
/// systems without owners.
pub(super) fn set_owner(file: &File, (user, group): (u32, u32)) -> io::Result<()> {
    let metadata = file.metadata()?;
    if (metadata.uid(), metadata.gid()) == (user, group) {
        return Ok(());
    }
    fchown(file, Some(user), Some(group))
}

/// Has the names in a directory last.
///
/// # Errors
/// Names the directory.
pub fn sync_directory(directory: &Path) -> Result<(), Error> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| trouble("write", directory, &error))
}

/// The path in the form that a bundle has it.
pub(super) fn with_slashes(path: &str) -> String {
    path.to_owned()
}

/// The user and group that this process makes files as.
#[cfg(feature = "installer")]
pub fn own_ids() -> (u32, u32) {
    use nix::unistd::{getegid, geteuid};
    (geteuid().as_raw(), getegid().as_raw())
}
