//! Owns taking away what the receipt says is ours, in reverse, and putting back what was there. The
//! receipt goes last, so that a removal that was stopped can be run again.

use super::apply::forget_failures;
use crate::error::{self, Error};
use crate::host::receipt;
use crate::host::receipt::{Original, Receipt};
use crate::host::{Host, bundle_source, local_reserved_ports, observe, rules_service};
use crate::os::systemd;
use crate::plan::StepView;
use crate::spec::PortSet;
use crate::unit::Unit;
use crate::{files, firewall};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The main units in the order in which they are stopped: first what would load the rules again.
const STOPPED: [Unit; 4] = [Unit::CheckTimer, Unit::Check, Unit::Block, Unit::Listener];

/// One thing to take away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takeaway {
    /// Stop a unit.
    Unit(Unit),
    /// Remove a link, or put back what stood there.
    Link(String),
    /// Remove a file, or put back what stood there.
    File(String),
    /// Take our ports out of the kernel's list.
    KeptFree(PortSet),
    /// Leave them there: why it cannot be written, in words.
    KeptFreeStays(PortSet, String),
    /// Unload the rules.
    Rules,
    /// Forget all of it.
    State,
}

/// What a removal would do, in order; empty where nothing is ours. The rules go when nothing else
/// can fail any more, so that a removal that fails leaves the ports shut.
///
/// # Errors
/// A host that cannot be looked at.
pub fn plan(host: &Host) -> Result<Vec<Takeaway>, Error> {
    let mut steps = Vec::new();
    let receipt = Receipt::read(host)?;
    if host.has_systemd() && receipt.is_some() {
        let states = systemd::states(&STOPPED.map(Unit::name))?;
        let runs = |unit: &Unit| {
            let state = states.get(unit.name());
            state.is_some_and(|state| state.active != "inactive" && state.load != "not-found")
        };
        steps.extend(STOPPED.into_iter().filter(runs).map(Takeaway::Unit));
    }
    if let Some(receipt) = &receipt {
        let there = |path: &&String| observe::exists(host, path);
        steps.extend(receipt.links.keys().filter(there).cloned().map(Takeaway::Link));
        let files = receipt.files.keys();
        let files = files.filter(|path| receipt.originals.contains_key(*path) || there(path));
        steps.extend(files.cloned().map(Takeaway::File));
        // Metrics of a guard that is gone would be stale for good.
        let textfile =
            bundle_source::last_good(host).and_then(|bundle| rules_service::guard_config(&bundle));
        if let Some(path) = textfile.ok().and_then(|guard_config| guard_config.textfile) {
            host.confine_file(&path)?;
            steps.extend(there(&&path).then_some(Takeaway::File(path)));
        }
        if host.is_live() {
            let ports = local_reserved_ports::to_take_out(host, receipt)?;
            steps.extend((!ports.ranges().is_empty()).then(
                || match local_reserved_ports::why_fixed(host) {
                    None => Takeaway::KeptFree(ports),
                    Some(why) => Takeaway::KeptFreeStays(ports, why),
                },
            ));
        }
    }
    if host.is_live() && (applied_rules_stand(host)? || firewall::is_any_installed()?) {
        steps.push(Takeaway::Rules);
    }
    if receipt.is_some() || is_empty_tree(&host.path(receipt::STATE)) {
        steps.push(Takeaway::State);
    }
    Ok(steps)
}

/// Whether a directory holds directories and files that were never finished at most: what a removal
/// leaves that is killed at its end, or an apply at its beginning.
fn is_empty_tree(directory: &Path) -> bool {
    let unfinished = |path: &String| path.rsplit('/').next().is_some_and(files::is_unfinished);
    let files = files::read_tree(directory);
    directory.is_dir() && files.is_ok_and(|files| files.keys().all(unfinished))
}

/// The steps as they are shown.
///
/// # Errors
/// A receipt that cannot be read.
pub fn views(host: &Host, steps: &[Takeaway]) -> Result<Vec<StepView>, Error> {
    let receipt = Receipt::read(host)?.unwrap_or_default();
    let former = |path: &String| match (receipt.moved.get(path), receipt.originals.get(path)) {
        (Some(aside), _) => format!("remove, and move {aside} back"),
        (None, Some(_)) => "put back what was there before".to_owned(),
        (None, None) => "remove".to_owned(),
    };
    let view = |step: &Takeaway| {
        let (kind, target, action) = match step {
            Takeaway::Unit(unit) => ("unit", unit.name(), "stop".to_owned()),
            Takeaway::Link(path) => ("link", path.as_str(), former(path)),
            Takeaway::File(path) => ("file", path.as_str(), former(path)),
            Takeaway::KeptFree(ports) => (
                "sysctl",
                "net.ipv4.ip_local_reserved_ports",
                format!("take out {}", ports.joined(",")),
            ),
            Takeaway::KeptFreeStays(ports, why) => (
                "sysctl",
                "net.ipv4.ip_local_reserved_ports",
                format!("leave {} in: it cannot be written ({why})", ports.joined(",")),
            ),
            Takeaway::Rules => {
                let action = "unload: the ports are open to the outside then";
                ("rules", "REDISGUARD", action.to_owned())
            }
            Takeaway::State => ("receipt", receipt::STATE, "remove".to_owned()),
        };
        StepView { kind, target: target.to_owned(), action, diff: None }
    };
    Ok(steps.iter().map(view).collect())
}

/// Takes everything away.
///
/// # Errors
/// The first step that failed; the receipt is still there, so the removal can be run again.
pub fn remove(host: &Host, steps: &[Takeaway]) -> Result<(), Error> {
    let receipt = Receipt::read(host)?.unwrap_or_default();
    let mut open = false;
    for step in steps {
        let done = match step {
            Takeaway::Unit(unit) => stop(*unit),
            Takeaway::Link(path) => unlink(host, &receipt, path),
            Takeaway::File(path) => put_back(host, &receipt, path),
            Takeaway::KeptFree(ports) => local_reserved_ports::take_out(host, ports),
            Takeaway::KeptFreeStays(..) => Ok(()),
            Takeaway::Rules => unload(host).map(|unloaded| open = unloaded),
            // A check that was under way when this was planned may have loaded them since.
            Takeaway::State if host.is_live() && !open => {
                unload(host).and_then(|_| forget(host, &receipt))
            }
            Takeaway::State => forget(host, &receipt),
        };
        done.map_err(|trouble| {
            let trouble = match what_guards(host) {
                Some(state) => trouble.and(state),
                None => trouble,
            };
            trouble.or_help("mend the cause and run remove again: it goes on from here")
        })?;
    }
    Ok(())
}

/// What guards the ports now, in words; `None` where that is not known, or not all of it does.
fn what_guards(host: &Host) -> Option<&'static str> {
    if !host.is_live() {
        return None;
    }
    if let Ok(bundle) = bundle_source::last_good(host) {
        let firewall =
            firewall::Firewall::of(&bundle, &rules_service::guard_config(&bundle).ok()?).ok()?;
        if firewall.observe_selected().ok()?.drift.is_empty() {
            return Some("the rules still guard the ports");
        }
    }
    let any = firewall::is_any_installed().ok()?;
    (!any).then_some("no rules guard the ports")
}

fn unlink(host: &Host, receipt: &Receipt, path: &str) -> Result<(), Error> {
    let here = host.path(path);
    // Somebody's file in the place of our link is not ours to take away.
    if fs::symlink_metadata(&here).is_ok_and(|metadata| !metadata.is_symlink()) {
        return Ok(());
    }
    files::remove(&here)?;
    match receipt.moved.get(path) {
        Some(aside) if observe::exists(host, aside) => fs::rename(host.path(aside), &here)
            .map_err(|error| Error::new(format!("move {aside} back"), error)),
        _ => put_back(host, receipt, path),
    }
}

/// Puts back what stood at a path before us, if anything did.
fn put_back(host: &Host, receipt: &Receipt, path: &str) -> Result<(), Error> {
    let here = host.path(path);
    match receipt.originals.get(path) {
        None => files::remove(&here),
        Some(Original::Link(target)) => files::link(&here, target),
        Some(Original::File { mode, owner }) => {
            let copy = host.path(&receipt::copy(receipt::ORIGINALS, path));
            match files::read(&copy)? {
                Some(bytes) => files::replace_owned(&here, &bytes, *mode, Some(*owner)).map(drop),
                None => {
                    let cause = format!("its copy {} is gone", copy.display());
                    Err(Error::new(format!("put {} back", here.display()), cause))
                }
            }
        }
    }
}

/// Stops a unit; with the timer what it has set off, which must not load rules once they are gone.
fn stop(unit: Unit) -> Result<(), Error> {
    if unit == Unit::CheckTimer {
        systemd::systemctl(&["stop", unit.name(), Unit::Check.name()])?;
        // Not every bundle has it.
        let _ = systemd::systemctl(&["stop", Unit::Metrics.name()]);
        forget_failures(Unit::Check);
    } else {
        systemd::systemctl(&["stop", unit.name()])?;
    }
    forget_failures(unit);
    Ok(())
}

/// Unloads the rules. A removal that fails in the middle of that leaves the ports shut.
fn unload(host: &Host) -> Result<bool, Error> {
    let unloaded =
        rules_service::unload(host).and_then(|unloaded| match applied_rules_stand(host)? {
            true => Err(Error::new("take the rules away", "they are still there")),
            false => Ok(unloaded),
        });
    unloaded.map_err(|trouble| {
        let good = bundle_source::last_good(host).and_then(|bundle| {
            rules_service::load_surely(&bundle, &rules_service::guard_config(&bundle)?).map(drop)
        });
        match good {
            Ok(()) => trouble,
            Err(worse) => trouble.and("some of the rules may be gone").and(worse),
        }
    })
}

/// Whether the rules that were applied are in the kernel. The tool that loaded them must say so: one
/// that is broken for a moment must not have them forgotten.
fn applied_rules_stand(host: &Host) -> Result<bool, Error> {
    let Ok(bundle) = bundle_source::last_good(host) else { return Ok(false) };
    let firewall = firewall::Firewall::of(&bundle, &rules_service::guard_config(&bundle)?)?;
    match firewall.observe_selected() {
        Ok(live) => Ok(live.present),
        Err(failure) if failure.kind() == error::ErrorKind::NotInstalled => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// Our memory, then the directories that we made, if empty. The receipt goes last, so that a removal
/// that is killed in here can be run again.
fn forget(host: &Host, receipt: &Receipt) -> Result<(), Error> {
    files::remove_unfinished(&observe::places(host, receipt));
    if host.is_live() {
        files::remove(&host.path(rules_service::MEANWHILE))?;
        firewall::drift_cache::forget()?;
    }
    if host.has_systemd() {
        systemd::daemon_reload()?;
    }
    let state = host.path(receipt::STATE);
    let failed = |error| Error::new(format!("remove {}", state.display()), error);
    let entries = match fs::read_dir(&state) {
        // An empty one may have gone with a change that waited.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
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
    // Those that it stood in.
    files::remove_directories(&made);
    Ok(())
}
