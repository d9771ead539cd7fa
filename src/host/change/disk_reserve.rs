//! Reserves disk space before a change, so that undoing it cannot fail with ENOSPC. It covers the file
//! system of /var/lib/redisguard only.

use crate::error::Error;
use crate::files;
use crate::host::Host;
use crate::plan::{Plan, Step};

/// Holds one file for each that undoing will write, of the same length.
const DIRECTORY: &str = "/var/lib/redisguard/unconfirmed/reserve";
/// What undoing writes besides, generously: the receipt three times, and the directories of a bundle.
const EXTRA_BLOCKS: usize = 32;
/// The block size of most file systems: what a small file or directory takes.
const BLOCK: usize = 4096;

/// Reserves the space of everything that a plan will replace or remove: undoing writes it again.
///
/// # Errors
/// A disk without that space.
pub(super) fn reserve(host: &Host, plan: &Plan) -> Result<(), Error> {
    let old = plan.steps.iter().filter_map(|step| match step {
        Step::WriteFile { old: Some(old), .. } | Step::RemoveFile { old, .. } => Some(&*old.bytes),
        _ => None,
    });
    let block = [0; BLOCK];
    let all = old.chain(std::iter::repeat_n(&block[..], EXTRA_BLOCKS));
    // Written, and not only allocated (fallocate(2)): not every file system keeps what it allocated.
    all.enumerate().try_for_each(|(number, bytes)| {
        files::replace(&host.path(&format!("{DIRECTORY}/{number}")), bytes, 0o600).map(drop)
    })
}

/// Frees the space, for undoing, which begins now.
pub(super) fn free(host: &Host) {
    // What cannot be removed now is removed with the rest of the directory.
    let _ = files::remove_tree(&host.path(DIRECTORY));
}
