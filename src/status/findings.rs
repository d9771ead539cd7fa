//! What is not as it was applied, as an operator reads it and a program parses it. The kinds are
//! listed in docs/architecture.md; they stay.

use crate::bundle::Bundle;
use crate::bundle::{BINARY, GuardConfig, hex};
use crate::embedded;
use crate::error::Error;
use crate::firewall;
use crate::firewall::Firewall;
use crate::host::listener_health;
use crate::host::listener_health::Answer;
use crate::host::receipt;
use crate::host::receipt::{Origin, Receipt, State};
use crate::host::{Host, bundle_source, rules_service};
use crate::listener;
use crate::os::systemd::UnitState;
use crate::plan::{FileState, InPlace, Observed, Step, attributes, kept_free, masked_unit};
use crate::unit::Unit;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long the listener may take to answer on this very host.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many ports of the listener are asked.
const MOST: usize = 16;

/// One thing that is not as it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// `bundle`, `receipt`, `file`, `link`, `sysctl`, `rules`, `unit`, `listener`, `notice`,
    /// `others`.
    pub kind: &'static str,
    /// What it is about.
    pub target: String,
    /// What is wrong with it, in words.
    pub detail: String,
    /// Whether something that guards or answers is not in place now.
    #[serde(skip)]
    pub broken: bool,
}

pub(crate) fn finding(kind: &'static str, target: &str, detail: impl Into<String>) -> Finding {
    let broken = matches!(kind, "rules" | "unit" | "listener" | "notice");
    Finding { kind, target: target.to_owned(), detail: detail.into(), broken }
}

/// The bundle that was applied to this host, to hold the host against. `None`, and a finding, where it
/// is lost and nobody else has it.
pub(crate) fn applied_bundle(
    host: &Host,
    receipt: &Receipt,
    directory: Option<&Path>,
    findings: &mut Vec<Finding>,
) -> Option<Bundle> {
    let kept = bundle_source::last_good(host);
    // While a change has not ended, the last good one is the one before.
    let is_it = |bundle: &Bundle| receipt.state == State::Changing || bundle.sum() == receipt.sum;
    let cause = match kept {
        Ok(bundle) if is_it(&bundle) => return Some(bundle),
        Ok(_) => "it is not the bundle that was applied".to_owned(),
        Err(trouble) => trouble.cause().to_owned(),
    };
    if receipt.state == State::Applied {
        findings.push(finding("receipt", receipt::BUNDLE, format!("is of no use: {cause}")));
    }
    let others =
        [bundle_source::bundle(directory), bundle_source::bundle(None)].into_iter().flatten();
    others.into_iter().find(|bundle| bundle.sum() == receipt.sum)
}

/// Whether another bundle is at hand than the one that was applied: in the directory that was named,
/// or in this program where the host has its bundle from a program.
///
/// # Errors
/// A named directory that holds no whole bundle.
pub(crate) fn another_bundle(
    receipt: &Receipt,
    directory: Option<&Path>,
) -> Result<Option<Finding>, Error> {
    let (bundle, target) = match directory {
        Some(directory) => {
            (bundle_source::bundle(Some(directory))?, directory.display().to_string())
        }
        None if receipt.origin == Origin::Program => {
            let failed = |cause| Error::new("use the built-in bundle", cause);
            (embedded::bundle().map_err(failed)?, "redisguard-install".to_owned())
        }
        None => return Ok(None),
    };
    if receipt.state == State::Changing || bundle.sum() == receipt.sum {
        return Ok(None);
    }
    let digest = rules_service::guard_config(&bundle)?.bundle;
    let detail = if digest == receipt.bundle {
        "brings the same guard with other manuals than were applied".to_owned()
    } else {
        format!("brings bundle {digest}, and {} is applied", receipt.bundle)
    };
    Ok(Some(finding("bundle", &target, detail)))
}

/// Whether a file is as the receipt says, whatever the plan wants to make of it: the installed program
/// is held against the receipt and not against the one that asks, and so are the files of a change
/// that has not ended. A program that was there before us is not ours.
fn is_as_announced(path: &str, old: &FileState, receipt: &Receipt) -> bool {
    let applied = receipt.files.get(path);
    let same = applied
        .is_some_and(|applied| applied.sha256 == hex(&old.bytes) && applied.mode == old.mode);
    match (path, receipt.state) {
        (BINARY, _) => same || applied.is_none(),
        (_, State::Changing) => same,
        (_, State::Applied) => false,
    }
}

/// What a step of the plan means for an operator.
pub(crate) fn drifted(host: &Host, step: &Step, receipt: &Receipt) -> Vec<Finding> {
    let one = match step {
        Step::WriteFile { path, old: Some(old), .. } if is_as_announced(path, old, receipt) => {
            return Vec::new();
        }
        Step::WriteFile { path, link: Some(link), .. } => match masked_unit(path, link) {
            Some(unit) => masked(host, unit),
            None => finding("file", path, format!("is a link to {link}")),
        },
        Step::WriteFile { path, old: None, .. } => finding("file", path, "is missing"),
        Step::WriteFile { path, old: Some(old), new, .. } if old.bytes == new.bytes => {
            finding("file", path, format!("must change {}", attributes(old, new)))
        }
        Step::WriteFile { path, .. } => finding("file", path, "was edited"),
        Step::RemoveFile { path, .. } => finding("file", path, "is left over"),
        Step::Link { path, target, old } => match enabled_by(path) {
            Some((unit, by)) => {
                let detail = format!("is not enabled: {by} does not want it");
                Finding { broken: false, ..finding("unit", unit, detail) }
            }
            None => match old {
                InPlace::Nothing => finding("link", path, "is missing"),
                InPlace::Link(other) => {
                    finding("link", path, format!("leads to {other}, not to {target}"))
                }
                InPlace::File => finding("link", path, format!("is a file, no link to {target}")),
            },
        },
        Step::Unlink { path } => finding("link", path, "is left over"),
        Step::LetGo { ports } => {
            finding("sysctl", "net.ipv4.ip_local_reserved_ports", format!("still has {ports}"))
        }
        Step::KeepFree { ports } => {
            finding("sysctl", "net.ipv4.ip_local_reserved_ports", format!("lacks {ports}"))
        }
        Step::Rules { findings } => {
            let rules = findings.iter();
            return rules
                .map(|(family, detail)| finding("rules", family.name(), detail.clone()))
                .collect();
        }
        Step::Unit { .. } | Step::Receipt => return Vec::new(),
    };
    vec![one]
}

/// What is wrong with the kernel's list of ports where that cannot be written.
pub(crate) fn out_of_reach(host: &Host, observed: &Observed, receipt: &Receipt) -> Vec<Finding> {
    let Some(why) = &observed.list_fixed else { return Vec::new() };
    let mut found: Vec<_> =
        kept_free(observed).flat_map(|step| drifted(host, &step, receipt)).collect();
    for finding in &mut found {
        finding.detail.push_str(&format!(", and cannot be written: {why}"));
    }
    found
}

/// The unit that a link enables, and the one that starts it then.
fn enabled_by(link: &str) -> Option<(&str, &str)> {
    let (directory, unit) = link.strip_prefix("/etc/systemd/system/")?.split_once('/')?;
    Some((unit, directory.strip_suffix(".wants")?))
}

fn masked(host: &Host, unit: &str) -> Finding {
    let unmask = format!("{} unmask {unit}", host.systemctl());
    finding("unit", unit, format!("is masked: {unmask}, then apply"))
}

/// Names units that should run and do not; returns the listener's state.
pub(crate) fn dead_units(
    host: &Host,
    states: &BTreeMap<String, UnitState>,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let main = Unit::MAIN.map(Unit::name);
    let [listener, check] = [Unit::Listener, Unit::Check].map(Unit::name);
    for (name, state) in states.iter().filter(|(name, _)| main.contains(&name.as_str())) {
        // It runs for a moment now and then.
        let fine = if name == check { state.active != "failed" } else { state.active == "active" };
        let found = if state.load == "masked" {
            masked(host, name)
        } else if state.active == "failed" {
            finding("unit", name, format!("is failed: journalctl -u {name}"))
        } else if !fine {
            finding("unit", name, format!("is {}", state.active))
        } else {
            continue;
        };
        if !findings.contains(&found) {
            findings.push(found);
        }
    }
    let state = states.get(listener);
    if let Some(trouble) = state.and_then(in_trouble) {
        findings.push(finding("listener", listener, trouble));
    }
    if let Some(stopped) = state.and_then(listener_health::is_stopped) {
        findings.push(finding("listener", listener, stopped));
    }
    state.map(|state| state.active.clone())
}

/// What keeps some clients from the sentence of a listener that runs, in its own words.
pub(crate) fn in_trouble(listener: &UnitState) -> Option<String> {
    let trouble = Some(&listener.says).filter(|_| listener.active == "active");
    let trouble = listener::degraded(trouble?)?;
    Some(format!("{trouble} (the cure: journalctl -u {})", Unit::Listener))
}

/// What rules of others do to the guard: those that nobody sees, and those that stop outsiders before
/// they are told.
pub(crate) fn in_the_way(firewall: Option<&Firewall>, guard_config: &GuardConfig) -> Vec<Finding> {
    let hidden = firewall.and_then(|_| firewall::hidden_rules(guard_config));
    let hidden = hidden.map(|found| finding("others", "iptables", found));
    let obstacle = firewall.and_then(|firewall| firewall.obstacle(guard_config));
    let obstacle = obstacle.map(|found| finding("notice", "outsiders", found));
    hidden.into_iter().chain(obstacle).collect()
}

/// Asks the ports that the listener must answer on, over both families.
pub(crate) fn answers(
    guard_config: &GuardConfig,
    expected: bool,
    findings: &mut Vec<Finding>,
) -> Vec<Answer> {
    let answers = listener_health::ask(guard_config, MOST, PATIENCE);
    let wrong = answers.iter().filter(|answer| expected && !answer.good);
    findings
        .extend(wrong.map(|answer| finding("listener", Unit::Listener.name(), answer.to_string())));
    answers
}
