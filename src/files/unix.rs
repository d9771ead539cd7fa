//! Modes, owners, symbolic links and durable directory entries, as Unix has them.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

#[cfg(feature = "installer")]
pub(super) use std::os::unix::fs::symlink;

/// The permission bits of what is at a path, without the file's type; `None` where there is nothing.
pub fn mode(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.mode() & 0o7777)
}

pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Makes one directory that everybody can read, whatever the umask.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Gives a file to a user and a group, unless they own it: fchown(2) can fail even then, on file systems
/// without owners.
pub(super) fn set_owner(file: &File, (user, group): (u32, u32)) -> io::Result<()> {
    let metadata = file.metadata()?;
    if (metadata.uid(), metadata.gid()) == (user, group) {
        return Ok(());
    }
    fchown(file, Some(user), Some(group))
}

/// Writes the names in a directory through to the disk.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The user and group that own the files that this process creates.
#[cfg(feature = "installer")]
pub fn own_ids() -> (u32, u32) {
    use nix::unistd::{getegid, geteuid};
    (geteuid().as_raw(), getegid().as_raw())
}

/// Whether root was refused. Root may do all that a mode forbids, so an attribute is the cause (chattr(1)).
/// The generator alone cannot tell who runs it, and then has no help for that case.
#[cfg(feature = "installer")]
pub(super) fn is_denied_to_root(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::EPERM) && nix::unistd::geteuid().is_root()
}
