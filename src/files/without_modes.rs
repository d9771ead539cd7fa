//! The same for a system that has no modes and owners of Unix, such as Windows. Only the generator runs
//! there.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// There are no permission bits.
pub fn mode(_: &Path) -> Option<u32> {
    None
}

pub(super) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Only the installer sets owners.
pub(super) fn set_owner(_: &File, _: (u32, u32)) -> io::Result<()> {
    Ok(())
}

/// Windows opens no directory as a file, so the names in it cannot be synced.
pub(super) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
