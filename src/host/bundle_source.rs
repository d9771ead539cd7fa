//! Owns finding a bundle: a directory that was named, or the one that was built in.

use super::receipt::{Origin, Receipt};
use super::{Host, receipt};
use crate::bundle::{Bundle, GUARD_CONFIG, GuardConfig, SUMS};
use crate::embedded;
use crate::error::Error;
use crate::files;
use crate::os::deb;
use std::collections::BTreeMap;
use std::path::Path;

/// The bundle in a directory, or the built-in one; checked against its SHA256SUMS either way.
///
/// # Errors
/// A directory that is missing, unreadable, altered or incomplete.
pub fn bundle(directory: Option<&Path>) -> Result<Bundle, Error> {
    match directory {
        None => embedded::bundle().map_err(|cause| Error::new("use the built-in bundle", cause)),
        Some(directory) => in_directory(directory, "", || files::read_tree(directory)),
    }
}

/// What loads the rules of the bundle in a directory; these files alone are checked.
///
/// # Errors
/// As [`bundle`].
pub fn rules(directory: &Path) -> Result<Bundle, Error> {
    const PART: &str = "host/etc/redisguard/";
    in_directory(directory, PART, || {
        let files = files::read_tree(&directory.join(PART))?;
        let named = files.into_iter().map(|(name, bytes)| (format!("{PART}{name}"), bytes));
        let sums = files::read(&directory.join(SUMS))?.map(|bytes| (SUMS.to_owned(), bytes));
        Ok(named.chain(sums).collect())
    })
}

/// What a directory has of a bundle: all whose paths begin like `part`.
fn in_directory(
    directory: &Path,
    part: &str,
    read: impl FnOnce() -> Result<BTreeMap<String, Vec<u8>>, Error>,
) -> Result<Bundle, Error> {
    let failed =
        |cause: String| Error::new(format!("use the bundle {}", directory.display()), cause);
    if !directory.is_dir() {
        let trouble = failed("there is no such directory".to_owned());
        return Err(trouble.help("redisguard-gen writes one, `generated` by default"));
    }
    Bundle::part_verified(read()?, part).map_err(|cause| {
        failed(cause).help("apply only what was reviewed: render it again, or copy it again")
    })
}

/// Where a bundle comes from that is about to be applied. The last good one comes from where it came
/// from when it was applied first.
///
/// # Errors
/// A receipt that cannot be read.
pub fn origin(host: &Host, directory: Option<&Path>) -> Result<Origin, Error> {
    match directory {
        None => Ok(Origin::Program),
        Some(directory) if directory == host.path(receipt::BUNDLE) => {
            Ok(Receipt::read(host)?.map(|receipt| receipt.origin).unwrap_or_default())
        }
        Some(_) => Ok(Origin::Directory),
    }
}

/// The last bundle that was applied, kept beside the receipt.
///
/// # Errors
/// One that was never kept, or is no longer whole.
pub fn last_good(host: &Host) -> Result<Bundle, Error> {
    bundle(Some(&host.path(receipt::BUNDLE)))
}

/// That bundle's guard config as they are kept, whole or not: enough for a warning.
pub fn last_good_facts(host: &Host) -> Option<GuardConfig> {
    let kept = files::read(&host.path(receipt::BUNDLE).join(GUARD_CONFIG)).ok()??;
    GuardConfig::parse(&String::from_utf8_lossy(&kept)).ok()
}

/// The command that puts this host back as it was applied: with the kept bundle where the built-in
/// one is another.
pub fn mend_command(receipt: &Receipt) -> String {
    let same = embedded::bundle().is_ok_and(|bundle| bundle.sum() == receipt.sum);
    apply_command((!same).then_some(Path::new(receipt::BUNDLE)))
}

/// The command that applies a bundle.
pub fn apply_command(directory: Option<&Path>) -> String {
    match directory {
        Some(directory) => {
            format!("{} --bundle {} apply", deb::command_name(), directory.display())
        }
        None => format!("{} apply", deb::command_name()),
    }
}
