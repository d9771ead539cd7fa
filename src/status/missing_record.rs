//! A host without a record of what was applied: nothing was, or the record is gone.

use super::types::{Command, Finding, FindingKind};
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::firewall;
use crate::host::{Host, bundle_source, receipt};
use crate::os::deb;
use std::path::Path;

/// What is there of redisguard's without its record.
pub(super) struct Remains {
    /// What says which ports are reserved; `None` where nothing does.
    pub(super) guard_config: Option<GuardConfig>,
    /// What is wrong.
    pub(super) finding: Finding,
    /// Whether redisguard was applied at some time.
    pub(super) is_present: bool,
}

/// Looks for them.
///
/// # Errors
/// A backend that cannot be asked.
pub(super) fn remains(host: &Host) -> Result<Remains, Error> {
    let is_loaded = host.is_live() && firewall::is_any_installed()?;
    let kept = bundle_source::last_good(host).is_ok();
    let guard_config = bundle_source::last_good_config(host)
        .filter(|_| kept)
        .or_else(|| bundle_source::installed_config(host));
    let is_present = is_loaded || guard_config.is_some();
    let finding = |detail: &str| Finding::new(FindingKind::Receipt, "host", detail);
    let finding = match (is_present, is_loaded) {
        (false, _) => {
            let apply = bundle_source::apply_command(None);
            finding("nothing was ever applied to this host").command(Command::Shell(apply))
        }
        (true, true) => finding("redisguard's rules are loaded, but its record is missing"),
        (true, false) => finding("redisguard's files are here, but its record is missing"),
    };
    let finding = match (is_present, kept) {
        (false, _) => finding,
        (true, true) => {
            let command = bundle_source::apply_command(Some(Path::new(receipt::BUNDLE)));
            finding.command(Command::Shell(command))
        }
        (true, false) => {
            let command = bundle_source::apply_command(Some(Path::new("DIR")));
            let digest = guard_config.as_ref().map(|config| format!(" {}", config.bundle));
            finding.first(format!(
                "copy the bundle{} that was applied to a directory DIR of this host, then run: {command}; or \
                 remove the rules: {} remove",
                digest.unwrap_or_default(),
                deb::command_name()
            ))
        }
    };
    Ok(Remains { guard_config, finding, is_present })
}
