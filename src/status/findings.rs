//! What is not as it was applied: the bundle, and each step that a plan would take.

use super::types::{Command, Finding, FindingKind};
use crate::bundle::{BINARY, Bundle, sha256_hex};
use crate::error::Error;
use crate::host::receipt::{self, Origin, Receipt, State};
use crate::host::{Host, bundle_source};
use crate::plan::{
    self, FileState, InPlace, LOCAL_PORTS, Observed, RuleFault, Scope, Step, attributes,
    masked_unit,
};
use crate::unit;
use std::path::Path;

/// The bundle that was applied to this host: the last good one, or the same one from elsewhere where that is
/// damaged (a finding). `None`: it is nowhere.
pub(super) fn applied_bundle(
    host: &Host,
    receipt: &Receipt,
    candidate: Option<&(Bundle, String)>,
    findings: &mut Vec<Finding>,
) -> Option<Bundle> {
    // While a change has not ended, the last good bundle is the one before.
    let is_applied =
        |bundle: &Bundle| receipt.state == State::Changing || bundle.sum() == receipt.sum;
    let cause = match bundle_source::last_good(host) {
        Ok(bundle) if is_applied(&bundle) => return Some(bundle),
        Ok(_) => "it is not the bundle that was applied".to_owned(),
        Err(error) => error.cause().to_owned(),
    };
    if receipt.state == State::Applied {
        let detail = format!("cannot be used: {cause}");
        findings.push(Finding::new(FindingKind::Receipt, receipt::BUNDLE, detail));
    }
    let candidate = candidate.map(|(bundle, _)| bundle.clone());
    let others = [candidate, bundle_source::bundle(None).ok()].into_iter().flatten();
    others.into_iter().find(|bundle| bundle.sum() == receipt.sum)
}

/// The bundle that the applied one is compared with, and its name: in the directory that was named, or in
/// this program where a program brought the applied one.
///
/// # Errors
/// A bundle that is damaged.
pub(super) fn candidate(
    receipt: &Receipt,
    directory: Option<&Path>,
) -> Result<Option<(Bundle, String)>, Error> {
    let name = match directory {
        Some(directory) => directory.display().to_string(),
        None if receipt.origin == Origin::Program => "redisguard-install".to_owned(),
        None => return Ok(None),
    };
    Ok(Some((bundle_source::bundle(directory)?, name)))
}

/// A candidate that differs from the bundle that was applied.
///
/// # Errors
/// A candidate without a guard config.
pub(super) fn another_bundle(
    receipt: &Receipt,
    candidate: Option<&(Bundle, String)>,
) -> Result<Option<Finding>, Error> {
    let is_another =
        |bundle: &Bundle| receipt.state == State::Applied && bundle.sum() != receipt.sum;
    let Some((bundle, name)) = candidate.filter(|(bundle, _)| is_another(bundle)) else {
        return Ok(None);
    };
    let digest = bundle_source::guard_config(bundle)?.bundle;
    let detail = if digest == receipt.bundle {
        "has the same guard, with other manuals than were applied".to_owned()
    } else {
        format!("has bundle {digest}, but {} is applied", receipt.bundle)
    };
    Ok(Some(Finding::new(FindingKind::Bundle, name, detail)))
}

/// Whether a file is as the receipt says although the plan would change it. The installed program is compared
/// with the receipt and not with the program that asks, and so are the files of a change that has not
/// ended. A program that was installed by somebody else is not in the receipt.
fn is_as_recorded(path: &str, old: &FileState, receipt: &Receipt) -> bool {
    let applied = receipt.files.get(path);
    let same = applied.is_some_and(|applied| {
        applied.sha256 == sha256_hex(&old.bytes) && applied.mode == old.mode
    });
    match (path, receipt.state) {
        (BINARY, _) => same || applied.is_none(),
        (_, State::Changing) => same,
        (_, State::Applied) => false,
    }
}

/// Paths that hold neither a file nor a link.
pub(super) fn irregular(observed: &Observed) -> impl Iterator<Item = Finding> {
    observed.irregular.iter().map(|(path, kind)| {
        Finding::new(FindingKind::File, path, format!("is {kind}"))
            .first(format!("move {path} away"))
            .command(Command::Apply)
    })
}

/// What a step of the plan means for an operator.
pub(super) fn step_findings(host: &Host, step: &Step, receipt: &Receipt) -> Vec<Finding> {
    let file = |path: &str, detail: &str| Finding::new(FindingKind::File, path, detail);
    let link = |path: &str, detail: &str| Finding::new(FindingKind::Link, path, detail);
    let sysctl = |detail: String| Finding::new(FindingKind::Sysctl, LOCAL_PORTS, detail);
    let one = match step {
        Step::WriteFile { path, old: Some(old), new, .. }
            if old.owner == new.owner && is_as_recorded(path, old, receipt) =>
        {
            return Vec::new();
        }
        Step::WriteFile { path, link: Some(link), .. } => match masked_unit(path, link) {
            Some(unit) => masked(host, unit),
            None => file(path, &format!("is a link to {link}")),
        },
        Step::WriteFile { path, old: None, .. } => file(path, "is missing"),
        Step::WriteFile { path, old: Some(old), new, .. } if old.bytes == new.bytes => {
            file(path, &format!("must change {}", attributes(old, new)))
        }
        Step::WriteFile { path, .. } => file(path, "was edited"),
        Step::RemoveFile { path, .. } => file(path, "is left over"),
        Step::Link { path, target, old } => match (enabled_by(path), old) {
            (Some((unit, by)), _) => {
                let detail = format!("is not enabled: {by} does not want it");
                Finding { broken: false, ..Finding::new(FindingKind::Unit, unit, detail) }
            }
            (None, InPlace::Nothing) => link(path, "is missing"),
            (None, InPlace::Link(other)) => {
                link(path, &format!("leads to {other}, not to {target}"))
            }
            (None, InPlace::File) => link(path, &format!("is a file and not a link to {target}")),
        },
        Step::Unlink { path } => link(path, "is left over"),
        Step::RemoveLocalPorts { ports } => sysctl(format!("still has {}", ports.joined(","))),
        Step::AddLocalPorts { ports } => sysctl(format!("lacks {}", ports.joined(","))),
        Step::LoadRules { drift } => {
            let rules = |(scope, fault): &(Scope, RuleFault)| {
                let table = fault.table.clone().map(|table| (table, fault.what.clone()));
                Finding {
                    table,
                    ..Finding::new(FindingKind::Rules, scope.name(), fault.to_string())
                }
            };
            return drift.iter().map(rules).collect();
        }
        // Units are compared with what systemd says of them, and the rest is a removal's.
        _ => return Vec::new(),
    };
    vec![one]
}

/// What is wrong with the kernel's list of local reserved ports where that cannot be written.
pub(super) fn local_ports_read_only(
    host: &Host,
    observed: &Observed,
    receipt: &Receipt,
) -> Vec<Finding> {
    let Some(fault) = &observed.local_ports.fault else { return Vec::new() };
    let steps = plan::local_ports(&observed.local_ports);
    let mut found: Vec<_> = steps.flat_map(|step| step_findings(host, &step, receipt)).collect();
    for finding in &mut found {
        finding.detail.push_str(&format!(", and cannot be written: {fault}"));
        let sentence = format!("on the host of this container, change {LOCAL_PORTS} like that");
        finding.remedy.first = Some(sentence);
    }
    found
}

/// The unit that a link enables, and the unit that starts it then.
fn enabled_by(link: &str) -> Option<(&str, &str)> {
    let (directory, unit) = unit::below_directory(link)?.split_once('/')?;
    Some((unit, directory.strip_suffix(".wants")?))
}

/// The finding of a unit that an administrator has masked.
pub(super) fn masked(host: &Host, unit: &str) -> Finding {
    let unmask = format!("{} unmask {unit}", host.systemctl());
    Finding::new(FindingKind::Unit, unit, "is masked")
        .first(format!("{unit} is masked by an administrator. If it may run: {unmask}"))
        .command(Command::Apply)
}
