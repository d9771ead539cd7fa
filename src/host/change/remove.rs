//! Removes what the receipt lists, and puts back what was there before.
//!
//! Guarantees: the receipt goes last, so that a removal that was stopped can be run again. A removal that
//! fails leaves the ports blocked.

use crate::error::Error;
use crate::host::receipt::{self, ORIGINALS, Original, Receipt};
use crate::host::{Host, bundle_source, local_reserved_ports, rules_service, units};
use crate::os::systemd;
use crate::plan::{self, Former, Plan, Removable, Step};
use crate::spec::{Backend, PortSet};
use crate::unit::Unit;
use crate::{files, firewall};
use std::fs;
use std::io;
use std::path::Path;

/// What a removal would do; empty where nothing of redisguard is on the host.
///
/// # Errors
/// A host that cannot be observed.
pub fn plan(host: &Host) -> Result<Plan, Error> {
    let receipt = Receipt::read(host)?;
    let mut removable = match &receipt {
        Some(receipt) => listed(host, receipt)?,
        None => Removable::default(),
    };
    removable.rules_loaded = host.is_live() && is_any_installed(host)?;
    removable.has_state = receipt.is_some() || is_empty_tree(&host.path(receipt::STATE));
    Ok(plan::removal(removable))
}

/// What the receipt lists, as far as it exists.
fn listed(host: &Host, receipt: &Receipt) -> Result<Removable, Error> {
    let mut found = Removable::default();
    if host.has_systemd() {
        found.units = units::statuses(&units::states(&Unit::MAIN)?);
    }
    let former = |path: &String| match (receipt.moved.get(path), receipt.originals.get(path)) {
        (Some(aside), _) => Former::MovedTo(aside.clone()),
        (None, Some(_)) => Former::Kept,
        (None, None) => Former::Nothing,
    };
    let with_former = |path: &String| (path.clone(), former(path));
    let links = receipt.links.keys().filter(|path| host.exists(path));
    found.links = links.map(with_former).collect();
    let has_copy = |path: &String| receipt.originals.contains_key(path);
    let files = receipt.files.keys().filter(|path| has_copy(path) || host.exists(path));
    found.files = files.map(with_former).collect();
    // Metrics of a removed guard would be stale for good.
    let config =
        bundle_source::last_good(host).and_then(|bundle| bundle_source::guard_config(&bundle));
    if let Some(path) = config.ok().and_then(|config| config.textfile) {
        host.confine_file(&path)?;
        found.files.extend(host.exists(&path).then(|| with_former(&path)));
    }
    if host.is_live() {
        let none_wanted = PortSet::default();
        found.local_ports = local_reserved_ports::observe(host, &none_wanted, Some(receipt))?;
    }
    Ok(found)
}

/// Whether a directory holds no files but temporary ones: what a removal leaves that was killed at its end,
/// or an apply that was killed at its beginning.
fn is_empty_tree(directory: &Path) -> bool {
    let unfinished = |path: &String| path.rsplit('/').next().is_some_and(files::is_unfinished);
    let files = files::read_tree(directory);
    directory.is_dir() && files.is_ok_and(|files| files.keys().all(unfinished))
}

/// Carries out the plan of a removal.
///
/// # Errors
/// The first step that failed; the receipt is still there, so the removal can be run again.
pub fn remove(host: &Host, plan: &Plan) -> Result<(), Error> {
    let receipt = Receipt::read(host)?.unwrap_or_default();
    let mut unloaded = false;
    for step in &plan.steps {
        let done = match step {
            Step::StopUnit { unit } => stop(*unit),
            Step::RestoreLink { path, .. } => restore_link(host, &receipt, path),
            Step::RestoreFile { path, .. } => put_back(host, &receipt, path),
            Step::RemoveLocalPorts { ports } => local_reserved_ports::remove(host, ports),
            Step::UnloadRules => unload(host).map(|was_loaded| unloaded = was_loaded),
            // A check that ran when this was planned may have loaded the rules since.
            Step::RemoveState if host.is_live() && !unloaded => {
                unload(host).and_then(|_| remove_state(host, &receipt))
            }
            Step::RemoveState => remove_state(host, &receipt),
            _ => Ok(()),
        };
        done.map_err(|error| {
            let error = rules_state(host).into_iter().fold(error, Error::and);
            error.or_help("remove the cause and run it again: it goes on from here")
        })?;
    }
    Ok(())
}

/// Whether the rules are in the kernel after a step failed, in words; `None` where that is unknown, or only
/// some are.
fn rules_state(host: &Host) -> Option<&'static str> {
    if !host.is_live() {
        return None;
    }
    if let Ok(bundle) = bundle_source::last_good(host) {
        let selected = bundle_source::firewall(&bundle).ok()?.observe_selected();
        if selected.is_ok_and(|installed| installed.drift.is_empty()) {
            return Some("the rules still guard the ports");
        }
    }
    let any = firewall::is_any_installed().ok()?;
    (!any).then_some("no rules guard the ports")
}

/// Removes a link, and moves back the file that it replaced, or puts back what was there.
fn restore_link(host: &Host, receipt: &Receipt, path: &str) -> Result<(), Error> {
    let here = host.path(path);
    // A file in the place of the link is not redisguard's, and stays.
    if fs::symlink_metadata(&here).is_ok_and(|metadata| !metadata.is_symlink()) {
        return Ok(());
    }
    files::remove(&here)?;
    match receipt.moved.get(path) {
        Some(aside) if host.exists(aside) => fs::rename(host.path(aside), &here)
            .map_err(|error| Error::new(format!("move {aside} back"), error)),
        _ => put_back(host, receipt, path),
    }
}

/// Puts back what was at a path before; removes what is there now where nothing was.
fn put_back(host: &Host, receipt: &Receipt, path: &str) -> Result<(), Error> {
    let here = host.path(path);
    match receipt.originals.get(path) {
        None => files::remove(&here),
        Some(Original::Link(target)) => files::link(&here, target),
        Some(Original::File { mode, owner }) => {
            let copy = format!("{ORIGINALS}{path}");
            match host.read(&copy)? {
                Some(bytes) => files::replace_owned(&here, &bytes, *mode, Some(*owner)).map(drop),
                None => {
                    let cause = format!("its copy {} is gone", host.path(&copy).display());
                    Err(Error::new(format!("put {} back", here.display()), cause))
                }
            }
        }
    }
}

/// The instances of [`Unit::CheckAfter`] that systemd knows.
const CHECKS_AFTER: &str = "redis-ports-check@*.service";

/// Stops a unit. With the timer go the units that it starts: they must not load rules that were unloaded.
fn stop(unit: Unit) -> Result<(), Error> {
    let units = units::with_started(&unit);
    units::control("stop", units)?;
    if unit == Unit::CheckTimer {
        // Not every bundle has them.
        for verb in ["stop", "reset-failed"] {
            let others = [Unit::Metrics.name(), Unit::Fallback.name(), CHECKS_AFTER];
            for name in others {
                let _ = systemd::systemctl(&[verb, name]);
            }
        }
    }
    units::reset_failed(units);
    Ok(())
}

/// Unloads the rules; whether there were any. If that fails half-way, it loads them again, so that the
/// ports stay blocked.
fn unload(host: &Host) -> Result<bool, Error> {
    rules_service::unload(host).map_err(|error| {
        let loaded =
            bundle_source::last_good(host).and_then(|bundle| rules_service::load_verified(&bundle));
        match loaded {
            Ok(_) => error,
            Err(worse) => error.and("some of the rules may be gone").and(worse),
        }
    })
}

/// Whether the kernel holds any rule of redisguard's. All backends must say so: if one fails for a moment, its
/// rules must not be forgotten.
fn is_any_installed(host: &Host) -> Result<bool, Error> {
    let applied = bundle_source::last_good_config(host);
    if applied.is_some_and(|config| config.backend == Backend::Iptables) {
        firewall::refuse_unlisted_legacy()?;
    }
    firewall::is_any_installed()
}

/// Removes everything that redisguard remembers, the receipt last; then the directories that it made, if
/// they are empty.
fn remove_state(host: &Host, receipt: &Receipt) -> Result<(), Error> {
    receipt.remove_unfinished(host);
    if host.is_live() {
        for record in [rules_service::MEANWHILE, rules_service::CHECKED] {
            files::remove(&host.path(record))?;
        }
        firewall::drift_cache::forget()?;
    }
    if host.has_systemd() {
        systemd::daemon_reload()?;
    }
    let state = host.path(receipt::STATE);
    let failed = |error| Error::new(format!("remove {}", state.display()), error);
    let entries = match fs::read_dir(&state) {
        // An empty one was removed with the record of a change that waited.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        entries => Some(entries.map_err(failed)?),
    };
    for entry in entries.into_iter().flatten() {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            files::remove_tree(&path)?;
        } else if path != host.path(receipt::PATH) {
            files::remove(&path)?;
        }
    }
    let made: Vec<_> = receipt.directories.iter().map(|path| host.path(path)).collect();
    files::remove_directories(&made);
    files::remove_tree(&state)?;
    // Those above it are empty only now.
    files::remove_directories(&made);
    Ok(())
}
