//! Collects the answer of `status`.

use super::causes::{Fix, causes, fix};
use super::findings::{
    another_bundle, applied_bundle, candidate, irregular, local_ports_read_only, step_findings,
};
use super::health::{
    busy_port_findings, cycles, listener_answers, other_rules, unit_findings, without_namespaces,
};
use super::missing_record::{self, Remains};
use super::types::{Command, Finding, FindingKind, HostStatus, PortCount, Remedy, Verdict};
use super::verdict::{Evidence, decide};
use super::without_systemd::{self, not_running};
use super::{directories, listener, unit_overrides, unwritable};
use crate::bundle::{GuardConfig, unexpected_units};
use crate::error::{Error, ErrorKind};
use crate::family::Family;
use crate::firewall::{self, Exposure, missing_family};
use crate::host::busy_ports::BusyPort;
use crate::host::change::confirm;
use crate::host::observe::Detail;
use crate::host::prepare::{Prepared, Target, prepare};
use crate::host::receipt::{Origin, Receipt, State};
use crate::host::{Host, bundle_source, busy_ports, saved_rules};
use crate::log_sources::recent_attempts;
use crate::os::systemd::{self, UnitState};
use crate::os::{self, deb, sockets};
use crate::spec::PortRange;
use crate::unit::Unit;
use std::collections::BTreeMap;
use std::path::Path;

/// How many recent attempts are told.
const MAX_RECENT_ATTEMPTS: usize = 5;

/// Whether the listener is connected to.
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
    let mut status = HostStatus::default();
    let mut found = match Receipt::read(host) {
        Ok(Some(receipt)) => compare(host, directory, receipt, probing, &mut status)?,
        Ok(None) => without_record(host, None, &mut status)?,
        Err(error) if error.kind() == ErrorKind::Damaged => {
            without_record(host, Some(&error), &mut status)?
        }
        Err(error) => return Err(error),
    };
    add_saved_rules(host, &mut status);
    if let (false, [absent, _, ..]) = (found.is_present, status.findings.as_mut_slice()) {
        // Who has removed redisguard wants to be rid of what is left, and not to apply it again.
        absent.remedy = Remedy::default();
    }
    if host.is_live() && found.is_present {
        found.early = os::early_programs().into_iter().chain(firewall::flowtables()).collect();
    }
    let record = confirm::read(host)?;
    status.unconfirmed = record.as_ref().map(|record| unconfirmed(record, host));
    conclude(host, &found, &mut status);
    status.confirm_by = record.map(|record| record.confirm_by);
    Ok(status)
}

/// What the verdict and the fix go by besides the findings.
#[derive(Default)]
struct Found {
    /// Whether anything of redisguard's is here.
    is_present: bool,
    exposure: Option<Exposure>,
    early: Vec<String>,
    /// The command that applies the bundle again; `None` where that bundle is nowhere.
    apply: Option<String>,
    /// What keeps it from being applied until a person has acted.
    unwritable: Vec<String>,
    /// Whether a bundle in a directory was applied, and not one of a program.
    is_from_directory: bool,
}

/// Adds the verdict, the causes and the fix.
fn conclude(host: &Host, found: &Found, status: &mut HostStatus) {
    let early = found.early.iter().map(|program| {
        let detail = format!("{program} decides on packets before redisguard's rules");
        Finding::new(FindingKind::Others, "kernel", detail)
    });
    status.findings.extend(early);
    (status.verdict, status.headline) = decide(&Evidence {
        is_live: host.is_live(),
        is_present: found.is_present,
        exposure: found.exposure.as_ref(),
        early: &found.early,
        findings: &status.findings,
    });
    status.test = (status.verdict == Verdict::Unknown && host.is_live())
        .then(|| probe_command(found.is_from_directory));
    status.causes = causes(&status.findings);
    status.causes.retain(|cause| *cause != status.headline);
    let Fix { mut first, command } = fix(&status.findings, found.apply.as_deref());
    if command.is_some() && status.unconfirmed.is_some() {
        let program = deb::command_name();
        first.insert(
            0,
            format!("keep or undo the last change: {program} confirm, or {program} revert"),
        );
    }
    let is_apply = |finding: &Finding| finding.remedy.command == Some(Command::Apply);
    let applies = status.bundle.is_none() || status.findings.iter().any(is_apply);
    if command.is_some() && applies {
        first.splice(0..0, found.unwritable.iter().cloned());
    }
    status.fix = first.into_iter().chain(command.clone()).collect();
    status.mend = command;
}

/// How long the last change waits for its confirmation.
fn unconfirmed(record: &confirm::Record, host: &Host) -> String {
    if record.is_over(host) {
        return record.sentence(host);
    }
    format!(
        "the last change is undone in {} s, at {}, unless you run: redisguard-install confirm",
        record.time_left(host).as_secs(),
        record.confirm_by
    )
}

/// The command that asks this host from another one, which has the bundle in its program or in a directory.
fn probe_command(is_from_directory: bool) -> String {
    let host = sockets::outside_address().map_or("HOST".to_owned(), |address| address.to_string());
    match is_from_directory {
        true => format!("redisguard-install --bundle DIR probe {host}"),
        false => format!("redisguard-install probe {host}"),
    }
}

/// Adds files of others that load redisguard's rules: copies of the applied bundle and includes of redisguard's own
/// file change nothing when they are loaded, and are notes.
fn add_saved_rules(host: &Host, status: &mut HostStatus) {
    let applied = status.bundle.as_ref().and_then(|_| bundle_source::last_good_config(host));
    for saved in saved_rules::find(host) {
        if saved.is_note(applied.as_ref()) {
            status.notes.push(saved.described(applied.as_ref()));
            continue;
        }
        let finding = Finding::new(FindingKind::Others, &saved.path, saved.what(applied.as_ref()));
        status.findings.push(match saved.fix() {
            Ok(command) => finding.command(Command::Shell(command.to_owned())),
            Err(sentence) => finding.first(sentence),
        });
    }
}

/// Without a receipt nothing can be compared, but redisguard's rules may be in the kernel all the same. `damaged`
/// says why one that is there cannot be read.
fn without_record(
    host: &Host,
    damaged: Option<&Error>,
    status: &mut HostStatus,
) -> Result<Found, Error> {
    let Remains { guard_config, finding, is_present } = missing_record::remains(host, damaged)?;
    status.findings.push(finding);
    let exposure = guard_config.as_ref().filter(|_| host.is_live()).map(firewall::exposure);
    let unwritable = unwritable::obstacles(host, &[]);
    Ok(Found { is_present, exposure, unwritable, is_from_directory: true, ..Found::default() })
}

fn compare(
    host: &Host,
    directory: Option<&Path>,
    receipt: Receipt,
    probing: Probing,
    status: &mut HostStatus,
) -> Result<Found, Error> {
    // What `apply` repairs; what each says itself how to repair; what others have done.
    let (mut findings, mut by_hand, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let (mut exposure, mut unwritable) = (None, Vec::new());
    if receipt.state == State::Changing {
        let detail = "a change began and has not ended";
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
            // Rules that are as they were loaded stop outsiders: rehearse and the tests prove that.
            let drifts = observed.rule_drift.as_ref().is_some_and(|drift| !drift.is_empty());
            let look = drifts.then(|| firewall::exposure(&target.guard_config));
            exposure = Some(look.unwrap_or_default());
            status.ports = port_counts(&target.guard_config, &observed.stopped);
            if !target.guard_config.probe.is_empty() {
                status.probes = port_counts(&target.guard_config, &observed.stopped_probes);
            }
            status.counted_since.clone_from(&observed.counted_since);
        }
        status.notes.extend(prepared.note().map(str::to_owned));
        unwritable = unwritable::obstacles(host, &plan.steps);
    } else if host.is_live() {
        exposure = bundle_source::installed_config(host).as_ref().map(firewall::exposure);
    }
    let apply = match (&another, &applied) {
        (Some(_), _) => Some(bundle_source::apply_command(host, directory)),
        (None, None) => None,
        (None, Some(_)) => Some(bundle_source::repair_command(host, &receipt)),
    };
    findings.extend(another);
    by_hand.extend(directories::writable_by_others(host, &receipt));
    status.in_sync = findings.is_empty() && by_hand.is_empty();
    let unexpected =
        applied.as_ref().map(|target| unexpected_units(&target.expected)).unwrap_or_default();
    let starts_listener = host.has_systemd() && !unexpected.contains(&Unit::Listener);
    let busy = applied.as_ref().filter(|_| starts_listener);
    let busy = busy.map(|target| busy_ports::find(host, &target.guard_config)).unwrap_or_default();
    let mut expected = starts_listener;
    if host.has_systemd() {
        let names: Vec<&str> = unit_overrides::units(&receipt).into_iter().collect();
        let states = systemd::states(&names)?;
        others.extend(unit_overrides::overrides(&states, &findings));
        others.extend(without_namespaces(&states));
        expected &= !states.get(Unit::Listener.name()).is_some_and(UnitState::lacks_namespaces);
        unit_findings(host, &states, &unexpected, &mut findings);
        if let Some(state) = states.get(Unit::Listener.name()) {
            listener::add_status(state, &mut status.listener);
            if starts_listener {
                let found = listener::findings(host, state, applied.as_ref(), &busy);
                findings.extend(found.by_apply);
                others.extend(found.by_person);
            }
        }
        let metrics = applied.as_ref().zip(states.get(Unit::Metrics.name()));
        others.extend(
            metrics
                .and_then(|(target, state)| listener::textfile(host, &target.guard_config, state)),
        );
    }
    by_hand.extend(busy_port_findings(&busy));
    if let Some(target) = applied.as_ref().filter(|_| probing == Probing::Connect) {
        add_attempts(host, &target.guard_config, expected, &busy, &mut findings, status);
        if host.is_live() && !host.has_systemd() {
            let (config, answers) = (&target.guard_config, &status.listener.answers);
            others.extend(without_systemd::judged(host, config, &target.expected, answers));
        }
    } else if let Some(target) = &applied {
        others.extend(not_running(host, &target.guard_config, &target.expected));
    }
    for finding in findings.iter_mut().filter(|finding| finding.remedy == Remedy::default()) {
        finding.remedy.command = Some(Command::Apply);
    }
    if apply.is_none() && !findings.is_empty() {
        let command = bundle_source::apply_command(host, Some(Path::new("DIR")));
        findings[0].remedy.first = Some(format!(
            "copy the bundle {} that was applied to a directory DIR of this host, then run: {command}",
            receipt.bundle
        ));
    }
    status.findings = [findings, by_hand, others].concat();
    status.healthy = !status.findings.iter().any(|finding| finding.broken);
    status.missing_family = missing_family().filter(|_| host.is_live());
    let is_from_directory = receipt.origin == Origin::Directory;
    status.bundle = Some(receipt.bundle);
    status.applied = Some(receipt.applied);
    Ok(Found {
        is_present: true,
        exposure,
        apply,
        unwritable,
        is_from_directory,
        early: Vec::new(),
    })
}

/// Adds what the listener answers now, which is a finding where it is `expected` to answer and does not, and
/// who tried last.
fn add_attempts(
    host: &Host,
    guard_config: &GuardConfig,
    expected: bool,
    busy: &[BusyPort],
    findings: &mut Vec<Finding>,
    status: &mut HostStatus,
) {
    if host.is_live() {
        status.listener.answers = listener_answers(guard_config, expected, busy, findings);
    }
    status.knocks = recent_attempts(host, guard_config, MAX_RECENT_ATTEMPTS);
}

/// What was stopped, by reserved port and family; zero where nothing was.
fn port_counts(
    guard_config: &GuardConfig,
    counts: &BTreeMap<(PortRange, Family), (u64, u64)>,
) -> Vec<PortCount> {
    let mut ports: Vec<PortRange> =
        guard_config.reserved.iter().map(|reserved| reserved.ports).collect();
    ports.sort_unstable();
    let has_ipv6 = missing_family().is_none();
    let families = || Family::BOTH.into_iter().filter(|family| *family == Family::V4 || has_ipv6);
    let each = ports.into_iter().flat_map(|ports| families().map(move |family| (ports, family)));
    let count = |(ports, family)| {
        let count = counts.get(&(ports, family)).copied().unwrap_or_default();
        PortCount::new(ports, family, count)
    };
    each.map(count).collect()
}
