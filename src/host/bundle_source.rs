//! Where bundles come from: a directory that was named, this program, or the last good one beside the
//! receipt.

use super::receipt::{self, Receipt};
use super::root::Host;
use crate::bundle::{Bundle, GUARD_CONFIG, GuardConfig, SUMS};
use crate::embedded;
use crate::error::Error;
use crate::files;
use crate::firewall::Firewall;
use crate::os::deb;
use std::collections::BTreeMap;
use std::path::Path;

/// What `--bundle` names where it names no directory: the bundle in this program.
pub const BUILT_IN: &str = "built-in";

/// Whether that is meant.
pub fn is_built_in(directory: &Path) -> bool {
    directory == Path::new(BUILT_IN)
}

/// The bundle in a directory, or the built-in one; checked against its SHA256SUMS either way.
///
/// # Errors
/// A directory that is missing, unreadable, altered or incomplete.
pub fn bundle(directory: Option<&Path>) -> Result<Bundle, Error> {
    match directory.filter(|directory| !is_built_in(directory)) {
        None => embedded::bundle().map_err(|cause| Error::new("use the built-in bundle", cause)),
        Some(directory) => in_directory(directory, "", || files::read_tree(directory)),
    }
}

/// The part of the bundle in a directory that loads the rules; only these files are checked.
///
/// # Errors
/// As [`bundle`].
pub fn rules(directory: &Path) -> Result<Bundle, Error> {
    const PART: &str = "host/etc/redisguard/";
    if is_built_in(directory) {
        return bundle(None);
    }
    in_directory(directory, PART, || {
        let files = files::read_tree(&directory.join(PART))?;
        let named = files.into_iter().map(|(name, bytes)| (format!("{PART}{name}"), bytes));
        let sums = files::read(&directory.join(SUMS))?.map(|bytes| (SUMS.to_owned(), bytes));
        Ok(named.chain(sums).collect())
    })
}

/// The files of a bundle in a directory whose paths begin with `part`.
fn in_directory(
    directory: &Path,
    part: &str,
    read: impl FnOnce() -> Result<BTreeMap<String, Vec<u8>>, Error>,
) -> Result<Bundle, Error> {
    let failed =
        |cause: String| Error::new(format!("use the bundle {}", directory.display()), cause);
    if !directory.is_dir() {
        let error = failed("there is no such directory".to_owned());
        return Err(error.help("redisguard-gen writes one, `generated` by default"));
    }
    Bundle::part_verified(read()?, part).map_err(|cause| {
        failed(cause).help("apply only what was reviewed: render it again, or copy it again")
    })
}

/// The bundle's guard config.
///
/// # Errors
/// A bundle that has none, or a damaged one.
pub fn guard_config(bundle: &Bundle) -> Result<GuardConfig, Error> {
    bundle.guard_config().map_err(|cause| Error::new("use the bundle", cause))
}

/// The firewall that loads the bundle's rules.
///
/// # Errors
/// As [`guard_config`]; a tool that cannot be asked.
pub fn firewall(bundle: &Bundle) -> Result<Firewall, Error> {
    Firewall::of(bundle, &guard_config(bundle)?)
}

/// The last bundle that was applied, kept beside the receipt.
///
/// # Errors
/// A bundle that was never kept, or is damaged.
pub fn last_good(host: &Host) -> Result<Bundle, Error> {
    bundle(Some(&host.path(receipt::BUNDLE)))
}

/// Whether [`last_good`] is this bundle and complete: its rules are loaded when all else is damaged.
pub fn is_last_good(host: &Host, bundle: &Bundle) -> bool {
    files::read_tree(&host.path(receipt::BUNDLE)).is_ok_and(|kept| {
        let kept = kept.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        kept.eq(bundle.artifacts())
    })
}

/// The guard config of [`last_good`] without checking the bundle: enough for a warning.
pub fn last_good_config(host: &Host) -> Option<GuardConfig> {
    let kept = files::read(&host.path(receipt::BUNDLE).join(GUARD_CONFIG)).ok()??;
    GuardConfig::parse(&String::from_utf8_lossy(&kept)).ok()
}

/// The guard config that is installed; `None` where there is none, or it cannot be read.
pub fn installed_config(host: &Host) -> Option<GuardConfig> {
    let path = GUARD_CONFIG.strip_prefix("host").unwrap_or(GUARD_CONFIG);
    let installed = files::read(&host.path(path)).ok()??;
    GuardConfig::parse(&String::from_utf8_lossy(&installed)).ok()
}

/// The command that applies the bundle of the receipt again: the last good one where this program has
/// another one built in.
pub fn repair_command(host: &Host, receipt: &Receipt) -> String {
    let same = embedded::bundle().is_ok_and(|bundle| bundle.sum() == receipt.sum);
    let kept = host.path(receipt::BUNDLE);
    apply_command(host, (!same).then_some(kept.as_path()))
}

/// The command that applies a bundle to a host.
pub fn apply_command(host: &Host, directory: Option<&Path>) -> String {
    let program = format!("{}{}", deb::command_name(), host.root_option());
    match directory {
        Some(directory) => format!("{program} --bundle {} apply", directory.display()),
        None => format!("{program} apply"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_kept_bundle_that_is_damaged_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let bundle = Bundle::installed([("host/etc/a".to_owned(), b"a\n".to_vec())].into());
        assert!(!is_last_good(&host, &bundle));
        let file = host.path(receipt::BUNDLE).join("host/etc/a");
        files::replace(&file, b"a\n", 0o644).unwrap();
        assert!(is_last_good(&host, &bundle));
        fs::write(&file, "b\n").unwrap();
        assert!(!is_last_good(&host, &bundle));
    }
}
