//! Whether units and listener do their work, and what rules of others do to it.

use super::findings::masked;
use super::types::{Command, Finding, FindingKind};
use crate::bundle::GuardConfig;
use crate::firewall::{self, Firewall};
use crate::host::boot_order::{self, CycleFinding};
use crate::host::busy_ports::BusyPort;
use crate::host::listener_health::{ANSWER_TIMEOUT, Answer, MAX_PORTS, ask};
use crate::host::{Host, units};
use crate::os::systemd::UnitState;
use crate::plan::Wanted;
use crate::unit::Unit;
use std::collections::BTreeMap;

/// Adds the main units that should run and do not.
pub(super) fn unit_findings(
    host: &Host,
    states: &BTreeMap<String, UnitState>,
    unexpected: &[Unit],
    findings: &mut Vec<Finding>,
) {
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
            unit(format!("has failed (journalctl -u {name} says why)"))
        } else if state.active != "active" && !is_check {
            unit(not_active(&state.active))
        } else {
            continue;
        };
        if !findings.contains(&found) {
            findings.push(found);
        }
    }
}

/// What a unit that should be active does instead.
fn not_active(state: &str) -> String {
    match state {
        "activating" => "has not started yet, or keeps restarting".to_owned(),
        "inactive" => "does not run".to_owned(),
        other => format!("does not run (systemd says {other})"),
    }
}

/// The units that systemd cannot start because it may not make the namespaces that confine them. `apply`
/// repairs none of this.
pub(super) fn without_namespaces(states: &BTreeMap<String, UnitState>) -> Vec<Finding> {
    let lacking = states.iter().filter(|(_, state)| state.lacks_namespaces());
    let finding = |(name, state): (&String, &UnitState)| {
        Finding::new(FindingKind::Unit, name, namespaces_detail(name, state.exit_status))
            .first(NESTING_FIX)
            .command(Command::Apply)
    };
    lacking.map(finding).collect()
}

/// What must be done first. The right is the container's, so it cannot be given from inside.
const NESTING_FIX: &str = "on the container's host, allow nesting (LXD and Incus: security.nesting=true; Proxmox: \
    features: nesting=1) and restart the container; elsewhere, raise user.max_mnt_namespaces and \
    user.max_user_namespaces";

/// What a unit lacks.
fn namespaces_detail(unit: &str, status: u32) -> String {
    let loads = [Unit::Block, Unit::Check].iter().any(|one| one.name() == unit);
    let instead = match loads {
        true => format!("; {} loads the rules", Unit::Fallback),
        false => String::new(),
    };
    format!(
        "does not run: systemd may not make the namespaces that confine it (status {status}){instead}"
    )
}

/// What [`without_namespaces`] finds, for a host to which a bundle was just applied.
pub fn namespace_warnings() -> Vec<String> {
    let states = units::states(&Unit::MAIN).unwrap_or_default();
    let lacking = states.iter().filter(|(_, state)| state.lacks_namespaces());
    lacking
        .map(|(unit, state)| {
            let detail = namespaces_detail(unit.name(), state.exit_status);
            format!("{unit} {detail}\n  fix: {NESTING_FIX}, then run: redisguard-install apply")
        })
        .collect()
}

/// Ports of the listener that another program has: a person decides which of both is to have them.
pub(super) fn busy_port_findings(busy: &[BusyPort]) -> Vec<Finding> {
    busy.iter().map(|busy| listener_finding(busy.cause()).first(busy.fix())).collect()
}

fn listener_finding(detail: String) -> Finding {
    Finding::new(FindingKind::Listener, Unit::Listener.name(), detail)
}

/// Rules of others that hide from redisguard's tool, and those that stop outsiders before the notice.
pub(super) fn other_rules(firewall: Option<&Firewall>, guard_config: &GuardConfig) -> Vec<Finding> {
    let hidden = firewall.and_then(|_| firewall::hidden_rules(guard_config));
    let hidden = hidden.map(|found| {
        Finding::new(FindingKind::Others, "iptables", found)
            .first("choose one of the fixes that this prints: redisguard-install plan")
    });
    let obstacle = firewall.and_then(|firewall| firewall.obstacle(guard_config));
    let obstacle = obstacle
        .map(|found| Finding::new(FindingKind::Notice, "outsiders", found).with_fixes_apart());
    hidden.into_iter().chain(obstacle).collect()
}

/// Cycles in the order of redisguard's units. What runs now has findings of its own.
pub(super) fn cycles(host: &Host, wanted: &Wanted) -> Vec<Finding> {
    if !host.has_systemd() {
        return Vec::new();
    }
    let found = boot_order::cycle_findings(host, wanted).into_iter();
    let finding = |CycleFinding { unit, detail }: CycleFinding| {
        let (detail, fix) = match detail.split_once("; fix: ") {
            Some((detail, fix)) => (detail.to_owned(), Some(fix.to_owned())),
            None => (detail, None),
        };
        let mut finding = Finding::new(FindingKind::Unit, &unit, detail);
        finding.broken = false;
        finding.remedy.first = fix;
        finding
    };
    found.map(finding).collect()
}

/// Connects to the ports that the listener must answer on, over both families. Wrong answers are findings
/// where the listener is `expected` to run, but for ports that another program has.
pub(super) fn listener_answers(
    guard_config: &GuardConfig,
    expected: bool,
    busy: &[BusyPort],
    findings: &mut Vec<Finding>,
) -> Vec<Answer> {
    let answers = ask(guard_config, MAX_PORTS, ANSWER_TIMEOUT);
    let is_busy = |port: u16| busy.iter().any(|busy| busy.port == port);
    let wrong = answers.iter().filter(|answer| expected && !answer.expected);
    let wrong = wrong.filter(|answer| !is_busy(answer.port));
    findings.extend(wrong.map(|answer| listener_finding(answer.to_string())));
    answers
}
