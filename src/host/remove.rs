//! Owns taking away what the receipt says is ours, in reverse, and putting back what was there. The
//! receipt goes last, so that a removal that was stopped can be run again.

use super::apply::write_kept_free;
use super::receipt::{self, Receipt};
use super::{Host, files, firewall, observe, rules, services};
use crate::bundle::UNITS;
use crate::error::Trouble;
use crate::plan::StepView;
use crate::spec::PortSet;
use std::fs;

/// What a removal would do, in order; empty where nothing is ours.
///
/// # Errors
/// A host that cannot be looked at.
pub fn plan(host: &Host) -> Result<Vec<StepView>, Trouble> {
    let step = |kind, target: &str, action: &str| StepView {
        kind,
        target: target.to_owned(),
        action: action.to_owned(),
        diff: None,
    };
    let mut steps = Vec::new();
    let receipt = Receipt::read(host)?;
    if host.has_systemd() && receipt.is_some() {
        for (unit, state) in services::states(&UNITS)?.iter().rev() {
            if state.active != "inactive" && state.load != "not-found" {
                steps.push(step("unit", unit, "stop"));
            }
        }
    }
    if host.is_live() && is_guarded()? {
        steps.push(step("rules", "REDISGUARD", "unload: the ports are open to the outside then"));
    }
    let Some(receipt) = receipt else { return Ok(steps) };
    receipt.links.keys().chain(receipt.files.keys()).try_for_each(|path| host.confine(path))?;
    if host.is_live() && !receipt.kept_free.is_empty() {
        let action = format!("take out {}", receipt.kept_free);
        steps.push(step("sysctl", "net.ipv4.ip_local_reserved_ports", &action));
    }
    for path in receipt.links.keys().filter(|path| observe::exists(host, path)) {
        let action = match receipt.moved.get(path) {
            Some(aside) => format!("remove, and move {aside} back"),
            None => "remove".to_owned(),
        };
        steps.push(step("link", path, &action));
    }
    for path in receipt.files.keys() {
        match (receipt.originals.contains_key(path), observe::exists(host, path)) {
            (true, _) => steps.push(step("file", path, "put back what was there before")),
            (false, true) => steps.push(step("file", path, "remove")),
            (false, false) => {}
        }
    }
    steps.push(step("receipt", receipt::STATE, "remove"));
    Ok(steps)
}

fn is_guarded() -> Result<bool, Trouble> {
    use firewall::Firewall;
    // A host without iptables has no rules of ours in it.
    let Ok(firewall) = firewall::Iptables::find() else { return Ok(false) };
    Ok(firewall.inspect()?.rulesets.values().any(|ruleset| !ruleset.tables.is_empty()))
}

/// Takes everything away.
///
/// # Errors
/// The first step that failed; the receipt is still there, so the removal can be run again.
pub fn remove(host: &Host, steps: &[StepView]) -> Result<(), Trouble> {
    let receipt = Receipt::read(host)?.unwrap_or_default();
    for step in steps {
        match step.kind {
            "unit" => {
                services::systemctl(&["stop", &step.target])?;
                let _ = services::systemctl(&["reset-failed", &step.target]);
            }
            "rules" => drop(rules::unload()?),
            "sysctl" => free(host, &receipt)?,
            "link" => unlink(host, &receipt, &step.target)?,
            "file" => put_back(host, &receipt, &step.target)?,
            "receipt" => forget(host, &receipt)?,
            _ => {}
        }
    }
    Ok(())
}

/// Takes our ports out of the kernel's list, and no others.
fn free(host: &Host, receipt: &Receipt) -> Result<(), Trouble> {
    let present = observe::kept_free(host)?.unwrap_or_default();
    let ours: PortSet = receipt.kept_free.parse().unwrap_or_default();
    let left: PortSet =
        present.ports().filter(|port| !ours.contains(*port)).map(Into::into).collect();
    write_kept_free(host, &left)
}

fn unlink(host: &Host, receipt: &Receipt, path: &str) -> Result<(), Trouble> {
    let here = host.path(path);
    files::remove(&here)?;
    match receipt.moved.get(path) {
        Some(aside) if observe::exists(host, aside) => fs::rename(host.path(aside), &here)
            .map_err(|error| Trouble::new(format!("move {aside} back"), error)),
        _ => Ok(()),
    }
}

fn put_back(host: &Host, receipt: &Receipt, path: &str) -> Result<(), Trouble> {
    let here = host.path(path);
    let Some(mode) = receipt.originals.get(path) else { return files::remove(&here) };
    let copy = host.path(&format!("{}{path}", receipt::ORIGINALS));
    match files::read(&copy)? {
        Some(bytes) => files::replace(&here, &bytes, *mode).map(drop),
        // Put back already by a removal that was stopped.
        None => Ok(()),
    }
}

/// Our memory, then the directories that we made, if empty, then systemd's knowledge of our units.
fn forget(host: &Host, receipt: &Receipt) -> Result<(), Trouble> {
    let state = host.path(receipt::STATE);
    fs::remove_dir_all(&state)
        .map_err(|error| Trouble::new(format!("remove {}", state.display()), error))?;
    let made: Vec<_> = receipt.directories.iter().map(|path| host.path(path)).collect();
    files::remove_directories(&made);
    services::reload(host)
}
