//! What a system without Unix modes and owners has in their place: files whose modes are as they come.
//! Only the generator runs there.

use crate::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{MAIN_SEPARATOR_STR, Path};

/// Nothing is known of permission bits.
pub fn mode(_: &Path) -> Option<u32> {
    None
}

pub(super) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Nobody asks for an owner where hosts are not changed.
pub(super) fn set_owner(_: &File, _: (u32, u32)) -> io::Result<()> {
    Ok(())
}

/// A directory cannot be opened to be synced (Windows): its names last when the system writes them.
///
/// # Errors
/// Never.
pub fn sync_directory(_: &Path) -> Result<(), Error> {
    Ok(())
}

/// The path in the form that a bundle has it.
pub(super) fn with_slashes(path: &str) -> String {
    path.replace(MAIN_SEPARATOR_STR, "/")
}
