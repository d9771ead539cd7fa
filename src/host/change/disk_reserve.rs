//! Owns the room on the disk that going back from a change will take: held from before the change until
//! going back begins, so that a disk that filled up meanwhile does not keep anybody from it. Where files
//! of ours lie on another disk than our memory, it is no help for them.

use crate::error::Error;
use crate::files;
use crate::host::Host;
use crate::plan::{Plan, Step};

/// Holds as many files as will be written, each as long as the one that will.
const DIRECTORY: &str = "/var/lib/redisguard/unconfirmed/reserve";
/// What else will: the receipt, which is written three times, and the directories of a bundle.
const MORE: usize = 32;
/// What a small file or directory takes on most disks.
const PAGE: usize = 4096;

/// Takes the room for what a plan will replace or remove: it is what comes back.
///
/// # Errors
/// There is none.
pub(in crate::host) fn hold(host: &Host, plan: &Plan) -> Result<(), Error> {
    let old = plan.steps.iter().filter_map(|step| match step {
        Step::WriteFile { old: Some(old), .. } | Step::RemoveFile { old, .. } => Some(&*old.bytes),
        _ => None,
    });
    let more = [0; PAGE];
    let all = old.chain(std::iter::repeat_n(&more[..], MORE));
    // Written, and not only asked for: not every file system keeps what is asked for.
    all.enumerate().try_for_each(|(number, bytes)| {
        files::replace(&host.path(&format!("{DIRECTORY}/{number}")), bytes, 0o600).map(drop)
    })
}

/// Leaves the room to whoever comes first: going back, which begins now.
pub(in crate::host) fn free(host: &Host) {
    // What cannot be removed now goes with all that waited.
    let _ = files::remove_tree(&host.path(DIRECTORY));
}
