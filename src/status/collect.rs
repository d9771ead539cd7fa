//! Collects the answer of `status`.

use super::findings::{
    another_bundle, applied_bundle, candidate, irregular, local_ports_read_only, step_findings,
};
use super::health::{cycles, listener_answers, other_rules, unit_findings, without_namespaces};
use super::types::{Finding, FindingKind, HostStatus, PortCount};
use super::without_systemd::{self, not_running};
use super::{directories, unit_overrides};
use crate::bundle::{GuardConfig, unexpected_units};
use crate::error::Error;
use crate::family::Family;
use crate::firewall::{self, missing_family};
use crate::host::change::confirm;
use crate::host::observe::Detail;
use crate::host::prepare::{Prepared, Target, prepare};
use crate::host::receipt::{Receipt, State};
use crate::host::{Host, bundle_source, saved_rules};
use crate::log_sources::recent_attempts;
use crate::os::systemd::{self, UnitState};
use crate::plan::Observed;
use crate::spec::PortRange;
use crate::unit::Unit;
use std::path::Path;

/// How many recent attempts are told.
const MAX_RECENT_ATTEMPTS: usize = 5;

/// Whether the listener is connected to. It counts and logs that like any other connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Probing {
    /// Connect to its ports.
    Connect,
    /// Ask only systemd and the kernel about it.
    Passive,
}

/// The state of a host. `directory` is a bundle that it is to be compared with besides.
///
/// # Errors
/// A receipt, bundle, tool or unit that cannot be read or asked.
pub fn collect(
    host: &Host,
    directory: Option<&Path>,
    probing: Probing,
) -> Result<HostStatus, Error> {
    let mut status = match Receipt::read(host)? {
        None => nothing_applied(host)?,
        Some(receipt) => compare(host, directory, receipt, probing)?,
    };
    add_saved_rules(host, &mut status);
    let record = confirm::read(host)?;
    status.unconfirmed = record.as_ref().map(|record| record.sentence(host));
    status.confirm_by = record.map(|record| record.confirm_by);
    Ok(status)
}

/// Adds files of others that load redisguard's rules: copies of the applied bundle and includes of redisguard's own
/// file change nothing when they are loaded, and are notes.
fn add_saved_rules(host: &Host, status: &mut HostStatus) {
    let applied = status.bundle.as_ref().and_then(|_| bundle_source::last_good_config(host));
    for saved in saved_rules::find(host) {
        let detail = saved.described(applied.as_ref());
        if saved.is_note(applied.as_ref()) {
            status.notes.push(detail);
        } else {
            let detail = detail.trim_start_matches(&saved.path).trim_start();
            status.findings.push(Finding::new(FindingKind::Others, &saved.path, detail));
        }
    }
}

/// Without a receipt nothing can be compared, but redisguard's rules may be in the kernel all the same.
fn nothing_applied(host: &Host) -> Result<HostStatus, Error> {
    let detail = if host.is_live() && firewall::is_any_installed()? {
        "redisguard's rules are in the kernel, but its record of what was applied is missing: apply again"
    } else {
        "nothing is applied here: run `redisguard-install apply`"
    };
    let findings = vec![Finding::new(FindingKind::Receipt, "host", detail)];
    Ok(HostStatus { findings, ..HostStatus::default() })
}

fn compare(
    host: &Host,
    directory: Option<&Path>,
    receipt: Receipt,
    probing: Probing,
) -> Result<HostStatus, Error> {
    let mut status = HostStatus::default();
    // What `apply` repairs; what each says itself how to repair; what others have done.
    let (mut findings, mut by_hand, mut others) = (Vec::new(), Vec::new(), Vec::new());
    if receipt.state == State::Changing {
        let detail = "a change began and has not ended: apply again, or remove";
        findings.push(Finding::new(FindingKind::Receipt, "host", detail));
    }
    let candidate = candidate(&receipt, directory)?;
    let another = another_bundle(&receipt, candidate.as_ref())?;
    // The host is compared with what was applied, also where another bundle is named.
    let applied = applied_bundle(host, &receipt, candidate.as_ref(), &mut findings);
    let declare = |target: Target| target.declaring(receipt.expect.clone());
    let applied = applied.map(Target::of).transpose()?.map(declare);
    status.declares = receipt.expect.is_some();
    status.expect = applied.as_ref().map(|target| target.expected.names());
    if let Some(target) = &applied {
        let prepared = prepare(host, target, Detail::Counters)?;
        let Prepared { observed, plan, firewall, .. } = &prepared;
        findings.extend(irregular(observed));
        let drift = plan.steps.iter().flat_map(|step| step_findings(host, step, &receipt));
        findings.extend(drift.filter(|found| !observed.irregular.contains_key(&found.target)));
        by_hand = local_ports_read_only(host, observed, &receipt);
        others = other_rules(firewall.as_ref(), &target.guard_config);
        if probing == Probing::Connect {
            others.extend(cycles(host, &target.wanted));
        }
        if host.is_live() {
            status.ports = port_counts(&target.guard_config, observed);
            status.counted_since.clone_from(&observed.counted_since);
        }
        status.notes.extend(prepared.note().map(str::to_owned));
    }
    let repair = match (&another, &applied) {
        (Some(_), _) => Some(bundle_source::apply_command(directory)),
        (None, None) => None,
        (None, Some(_)) => Some(bundle_source::repair_command(&receipt)),
    };
    findings.extend(another);
    by_hand.extend(directories::writable_by_others(host, &receipt));
    status.in_sync = findings.is_empty() && by_hand.is_empty();
    let unexpected =
        applied.as_ref().map(|target| unexpected_units(&target.expected)).unwrap_or_default();
    let mut expected = host.has_systemd() && !unexpected.contains(&Unit::Listener);
    if host.has_systemd() {
        let names: Vec<&str> = unit_overrides::units(&receipt).into_iter().collect();
        let states = systemd::states(&names)?;
        others.extend(unit_overrides::overrides(&states, &findings));
        others.extend(without_namespaces(&states));
        expected &= !states.get(Unit::Listener.name()).is_some_and(UnitState::lacks_namespaces);
        status.listener.unit = unit_findings(host, &states, &unexpected, &mut findings);
    }
    if let Some(target) = applied.as_ref().filter(|_| probing == Probing::Connect) {
        add_attempts(host, &target.guard_config, expected, &mut findings, &mut status);
        if host.is_live() && !host.has_systemd() {
            let (config, answers) = (&target.guard_config, &status.listener.answers);
            others.extend(without_systemd::judged(host, config, &target.expected, answers));
        }
    } else if let Some(target) = &applied {
        others.extend(not_running(host, &target.guard_config, &target.expected));
    }
    status.mend = repair.filter(|_| !findings.is_empty());
    status.findings = [findings, by_hand, others].concat();
    status.healthy = !status.findings.iter().any(|finding| finding.broken);
    status.bundle = Some(receipt.bundle);
    status.applied = Some(receipt.applied);
    status.missing_family = missing_family().filter(|_| host.is_live());
    Ok(status)
}

/// Adds what the listener answers now, which is a finding where it is `expected` to answer and does not, and
/// who tried last.
fn add_attempts(
    host: &Host,
    guard_config: &GuardConfig,
    expected: bool,
    findings: &mut Vec<Finding>,
    status: &mut HostStatus,
) {
    if host.is_live() {
        status.listener.answers = listener_answers(guard_config, expected, findings);
    }
    status.knocks = recent_attempts(host, guard_config, MAX_RECENT_ATTEMPTS);
}

/// What was stopped, by reserved port and family; zero where nothing was.
fn port_counts(guard_config: &GuardConfig, observed: &Observed) -> Vec<PortCount> {
    let mut ports: Vec<PortRange> =
        guard_config.reserved.iter().map(|reserved| reserved.ports).collect();
    ports.sort_unstable();
    let has_ipv6 = missing_family().is_none();
    let families = || Family::BOTH.into_iter().filter(|family| *family == Family::V4 || has_ipv6);
    let each = ports.into_iter().flat_map(|ports| families().map(move |family| (ports, family)));
    let count = |(ports, family)| {
        let count = observed.stopped.get(&(ports, family)).copied().unwrap_or_default();
        PortCount::new(ports, family, count)
    };
    each.map(count).collect()
}
