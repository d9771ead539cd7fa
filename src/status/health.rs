//! Whether units and listener do their work, and what rules of others do to it.

use super::findings::masked;
use super::types::{Finding, FindingKind};
use crate::bundle::GuardConfig;
use crate::firewall::{self, Firewall};
use crate::host::boot_order::{self, CycleFinding};
use crate::host::listener_health::{ANSWER_TIMEOUT, Answer, MAX_PORTS, ask, stopped_process};
use crate::host::{Host, units};
use crate::listener_contract;
use crate::os::systemd::UnitState;
use crate::plan::Wanted;
use crate::unit::Unit;
use std::collections::BTreeMap;

/// Adds the main units that should run and do not; returns the state of the listener's unit.
pub(super) fn unit_findings(
    host: &Host,
    states: &BTreeMap<String, UnitState>,
    unexpected: &[Unit],
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let main = Unit::MAIN.map(Unit::name);
    let runnable = states.iter().filter(|(_, state)| !state.lacks_namespaces());
    let is_unexpected = |name: &str| unexpected.iter().any(|unit| unit.name() == name);
    for (name, state) in runnable.filter(|(name, _)| main.contains(&name.as_str())) {
        if is_unexpected(name) {
            if state.active == "active" {
                let detail = "runs, but this host is not expected to run it";
                let found = Finding::new(FindingKind::Unit, name, detail);
                findings.push(Finding { broken: false, ..found });
            }
            continue;
        }
        // A check runs for a moment now and then.
        let is_check = name == Unit::Check.name() && state.active != "failed";
        let unit = |detail: String| Finding::new(FindingKind::Unit, name, detail);
        let found = if state.load == "masked" {
            masked(host, name)
        } else if state.active == "failed" {
            unit(format!("is failed: journalctl -u {name}"))
        } else if state.active != "active" && !is_check {
            unit(format!("is {}", state.active))
        } else {
            continue;
        };
        if !findings.contains(&found) {
            findings.push(found);
        }
    }
    let state = states.get(Unit::Listener.name())?;
    let faults = listener_fault(state).into_iter().chain(stopped_process(state));
    findings.extend(faults.map(listener_finding));
    Some(state.active.clone())
}

/// The units that systemd cannot start because it may not make the namespaces that confine them. `apply`
/// repairs none of this.
pub(super) fn without_namespaces(states: &BTreeMap<String, UnitState>) -> Vec<Finding> {
    let lacking = states.iter().filter(|(_, state)| state.lacks_namespaces());
    let finding = |(name, state): (&String, &UnitState)| {
        Finding::new(FindingKind::Unit, name, namespaces_detail(name, state.exit_status))
    };
    lacking.map(finding).collect()
}

/// What a unit lacks, and the fix. The right is the container's, so it cannot be given from inside.
fn namespaces_detail(unit: &str, status: u32) -> String {
    let loads = [Unit::Block, Unit::Check].iter().any(|one| one.name() == unit);
    let instead = match loads {
        true => format!("; {} loads the rules", Unit::Fallback),
        false => String::new(),
    };
    format!(
        "systemd may not make the namespaces that confine it (status {status}){instead}; fix: on \
         the container's host, allow nesting (LXD and Incus: `security.nesting=true`; Proxmox: \
         `features: nesting=1`) and restart the container; elsewhere, raise \
         user.max_mnt_namespaces and user.max_user_namespaces, then run `redisguard-install apply`"
    )
}

/// What [`without_namespaces`] finds, for a host to which a bundle was just applied.
pub fn namespace_warnings() -> Vec<String> {
    let states = units::states(&Unit::MAIN).unwrap_or_default();
    let lacking = states.iter().filter(|(_, state)| state.lacks_namespaces());
    lacking
        .map(|(unit, state)| {
            format!("{unit}: {}", namespaces_detail(unit.name(), state.exit_status))
        })
        .collect()
}

fn listener_finding(detail: String) -> Finding {
    Finding::new(FindingKind::Listener, Unit::Listener.name(), detail)
}

/// What keeps a listener that runs from telling some clients, in its own words (STATUS= of sd_notify(3)).
fn listener_fault(listener: &UnitState) -> Option<String> {
    let text = Some(&listener.says).filter(|_| listener.active == "active");
    let fault = listener_contract::degraded(text?)?;
    Some(format!("{fault} (the cure: journalctl -u {})", Unit::Listener))
}

/// The same for a listener that was just started. No reason to undo a change: the ports are blocked.
pub fn listener_warning() -> Option<String> {
    let states = units::states(&[Unit::Listener]).ok()?;
    let fault = listener_fault(states.get(&Unit::Listener)?)?;
    Some(format!("{}: {fault}", Unit::Listener))
}

/// Rules of others that hide from redisguard's tool, and those that stop outsiders before the notice.
pub(super) fn other_rules(firewall: Option<&Firewall>, guard_config: &GuardConfig) -> Vec<Finding> {
    let hidden = firewall.and_then(|_| firewall::hidden_rules(guard_config));
    let hidden = hidden.map(|found| Finding::new(FindingKind::Others, "iptables", found));
    let obstacle = firewall.and_then(|firewall| firewall.obstacle(guard_config));
    let obstacle = obstacle.map(|found| Finding::new(FindingKind::Notice, "outsiders", found));
    hidden.into_iter().chain(obstacle).collect()
}

/// Cycles in the order of redisguard's units. What runs now has findings of its own.
pub(super) fn cycles(host: &Host, wanted: &Wanted) -> Vec<Finding> {
    if !host.has_systemd() {
        return Vec::new();
    }
    let found = boot_order::cycle_findings(host, wanted).into_iter();
    let finding = |CycleFinding { unit, detail }: CycleFinding| Finding {
        broken: false,
        ..Finding::new(FindingKind::Unit, &unit, detail)
    };
    found.map(finding).collect()
}

/// Connects to the ports that the listener must answer on, over both families. Wrong answers are findings
/// where the listener is `expected` to run.
pub(super) fn listener_answers(
    guard_config: &GuardConfig,
    expected: bool,
    findings: &mut Vec<Finding>,
) -> Vec<Answer> {
    let answers = ask(guard_config, MAX_PORTS, ANSWER_TIMEOUT);
    let wrong = answers.iter().filter(|answer| expected && !answer.expected);
    findings.extend(wrong.map(|answer| listener_finding(answer.to_string())));
    answers
}
