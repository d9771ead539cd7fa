//! A host without a record of what was applied: nothing was, or the record is gone.

use super::types::{Command, Finding, FindingKind};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::firewall;
use crate::host::{Host, bundle_source, receipt};
use crate::os::deb;
use std::path::{Path, PathBuf};

/// What is there of redisguard's without its record.
pub(super) struct Remains {
    /// What says which ports are reserved; `None` where nothing does.
    pub(super) guard_config: Option<GuardConfig>,
    /// What is wrong.
    pub(super) finding: Finding,
    /// Whether redisguard was applied at some time.
    pub(super) is_present: bool,
}

/// Looks for them. `damaged` says why a record that is there cannot be read.
///
/// # Errors
/// A backend that cannot be asked.
pub(super) fn remains(host: &Host, damaged: Option<&Error>) -> Result<Remains, Error> {
    let is_loaded = host.is_live() && firewall::is_any_installed()?;
    let kept = bundle_source::last_good(host).ok();
    let guard_config = bundle_source::last_good_config(host)
        .filter(|_| kept.is_some())
        .or_else(|| bundle_source::installed_config(host));
    let is_present = is_loaded || guard_config.is_some() || damaged.is_some();
    let finding = |detail: &str| Finding::new(FindingKind::Receipt, "host", detail);
    if !is_present {
        let apply = bundle_source::apply_command(host, None);
        let finding = finding("nothing was ever applied to this host");
        let finding = finding.command(Command::Shell(apply));
        return Ok(Remains { guard_config, finding, is_present });
    }
    let finding = match (damaged, is_loaded) {
        (Some(error), _) => finding(&format!("redisguard's record is damaged: {}", error.cause())),
        (None, true) => finding("redisguard's rules are loaded, but its record is missing"),
        (None, false) => finding("redisguard's files are here, but its record is missing"),
    };
    let away = damaged.map(|_| move_away(host));
    let finding = match (source(host, kept.as_ref(), guard_config.as_ref()), away) {
        (Some(bundle), away) => {
            let apply = bundle_source::apply_command(host, Some(&bundle));
            let commands: Vec<String> = away.into_iter().chain([apply]).collect();
            finding.command(Command::Shell(commands.join(" && ")))
        }
        (None, away) => finding.first(by_hand(host, guard_config.as_ref(), away)),
    };
    Ok(Remains { guard_config, finding, is_present })
}

/// What `--bundle` names to apply the bundle again that was applied: this program's own where it is the same one, so
/// that newer programs still bring newer bundles; else the kept copy. `None`: neither is there.
fn source(host: &Host, kept: Option<&Bundle>, config: Option<&GuardConfig>) -> Option<PathBuf> {
    let built_in = bundle_source::bundle(None).ok();
    let digest = config.map(|config| config.bundle.as_str());
    let is_same = |built_in: &Bundle| match kept {
        Some(kept) => kept.sum() == built_in.sum(),
        None => bundle_source::guard_config(built_in)
            .is_ok_and(|config| Some(config.bundle.as_str()) == digest),
    };
    if built_in.as_ref().is_some_and(is_same) {
        return Some(bundle_source::BUILT_IN.into());
    }
    kept.map(|_| host.path(receipt::BUNDLE))
}

/// The command that moves a damaged record to a free name: it may still tell what was there before redisguard.
fn move_away(host: &Host) -> String {
    let path = |name: &str| host.path(name).display().to_string();
    let first = format!("{}.damaged", receipt::PATH);
    let mut names = std::iter::once(first.clone()).chain((1..).map(|one| format!("{first}.{one}")));
    let free = names.find(|name| !host.exists(name)).unwrap_or(first);
    format!("mv {} {}", path(receipt::PATH), path(&free))
}

/// What a person must do where the bundle is nowhere.
fn by_hand(host: &Host, config: Option<&GuardConfig>, away: Option<String>) -> String {
    let command = bundle_source::apply_command(host, Some(Path::new("DIR")));
    let digest = config.map(|config| format!(" {}", config.bundle)).unwrap_or_default();
    let away = away.map(|away| format!("run: {away}; ")).unwrap_or_default();
    format!(
        "{away}copy the bundle{digest} that was applied to a directory DIR of this host, then run: {command}; or \
         remove the rules: {}{} remove",
        deb::command_name(),
        host.root_option()
    )
}
