//! `status`: what is wrong, or that nothing is.

use super::plan::computed;
use super::{Status, print_json, say};
use crate::args::InstallerArgs;
use crate::bundle::{BINARY, Facts, Family, UNITS, hex};
use crate::error::Trouble;
use crate::host::firewall;
use crate::host::receipt::{Receipt, State};
use crate::host::services::{self, UnitState};
use crate::host::{Host, rules, source};
use crate::notice;
use crate::plan::{Counter, Step, attributes};
use crate::probe::{Outcome, probe};
use crate::spec::{Listen, PortRange};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// How long the listener may take to answer on this very host.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Answer {
    in_sync: bool,
    healthy: bool,
    bundle: Option<String>,
    applied: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
    findings: Vec<Finding>,
    ports: Vec<PortCount>,
    listener: Listener,
}

#[derive(Serialize)]
struct Finding {
    kind: &'static str,
    target: String,
    detail: String,
}

#[derive(Serialize)]
struct PortCount {
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_port: Option<u16>,
    family: &'static str,
    packets: u64,
    bytes: u64,
}

#[derive(Default, Serialize)]
struct Listener {
    unit: Option<String>,
    answers: Vec<Answered>,
}

#[derive(Serialize)]
struct Answered {
    port: u16,
    family: &'static str,
    outcome: &'static str,
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Trouble> {
    let host = Host::at(&args.root)?;
    let answer = match Receipt::read(&host)? {
        None => nothing_applied(&host)?,
        Some(receipt) => look(args, &host, receipt)?,
    };
    if args.json {
        print_json(&answer);
    } else {
        show(&answer);
    }
    Ok(if answer.in_sync && answer.healthy { Status::Same } else { Status::Differs })
}

/// No receipt: nothing can be compared, but rules of ours may be in the kernel all the same.
fn nothing_applied(host: &Host) -> Result<Answer, Trouble> {
    let guarded = host.is_live() && firewall::is_guarded()?;
    let detail = if guarded {
        "rules of ours are in the kernel, but nothing says what was applied: apply again"
    } else {
        "nothing is applied here: run `redisguard-install apply`"
    };
    Ok(Answer {
        in_sync: false,
        healthy: false,
        bundle: None,
        applied: None,
        mend: None,
        findings: vec![finding("receipt", "host", detail)],
        ports: Vec::new(),
        listener: Listener::default(),
    })
}

fn look(args: &InstallerArgs, host: &Host, receipt: Receipt) -> Result<Answer, Trouble> {
    let mut findings = Vec::new();
    if receipt.state == State::Changing {
        findings.push(finding("receipt", "host", "a change began and has not ended: apply again"));
    }
    // Against what was applied; against another bundle where one is named.
    let bundle = match &args.bundle {
        Some(directory) => source::bundle(Some(directory))?,
        None => source::last_good(host)?,
    };
    let facts = rules::facts(&bundle)?;
    let computed = computed(host, &bundle, &facts)?;
    let steps = computed.plan.steps.iter().filter(|step| !is_program_as_applied(step, &receipt));
    findings.extend(steps.flat_map(drifted));
    let in_sync = findings.is_empty();
    let mut listener = Listener::default();
    if host.has_systemd() {
        listener.unit = dead_units(&mut findings)?;
    }
    if host.is_live() {
        listener.answers = answers(&facts, host.has_systemd(), &mut findings);
    }
    let healthy =
        findings.iter().all(|finding| !matches!(finding.kind, "unit" | "listener" | "rules"));
    let ports = stopped(&facts, &computed.observed.stopped);
    let mend = (!findings.is_empty()).then(|| source::mend_command(&receipt));
    let (bundle, applied) = (Some(receipt.bundle), Some(receipt.applied));
    Ok(Answer { in_sync, healthy, bundle, applied, mend, findings, ports, listener })
}

fn finding(kind: &'static str, target: &str, detail: impl Into<String>) -> Finding {
    Finding { kind, target: target.to_owned(), detail: detail.into() }
}

/// Whether a step would only replace the installed program by another one that asks for the status:
/// it is held against the receipt, not against whoever asks. One that was there before us is not ours.
fn is_program_as_applied(step: &Step, receipt: &Receipt) -> bool {
    let Step::WriteFile { path, old: Some(old), .. } = step else { return false };
    path == BINARY
        && receipt
            .files
            .get(path)
            .is_none_or(|applied| applied.sha256 == hex(&old.bytes) && applied.mode == old.mode)
}

/// What a step of the plan means for an operator.
fn drifted(step: &Step) -> Vec<Finding> {
    match step {
        Step::WriteFile { path, link: Some(link), .. } => {
            vec![finding("file", path, format!("is a link to {link}"))]
        }
        Step::WriteFile { path, old: None, .. } => vec![finding("file", path, "is missing")],
        Step::WriteFile { path, old: Some(old), new, .. } if old.bytes == new.bytes => {
            vec![finding("file", path, format!("must change {}", attributes(old, new)))]
        }
        Step::WriteFile { path, .. } => vec![finding("file", path, "was edited")],
        Step::RemoveFile { path, .. } => vec![finding("file", path, "is left over")],
        Step::Link { path, target, .. } => {
            vec![finding("link", path, format!("does not lead to {target}"))]
        }
        Step::Unlink { path } => vec![finding("link", path, "is left over")],
        Step::KeepFree { ports } => {
            let detail = format!("lacks {ports}");
            vec![finding("sysctl", "net.ipv4.ip_local_reserved_ports", detail)]
        }
        Step::Rules { findings } => findings
            .iter()
            .map(|(scope, detail)| finding("rules", scope.name(), detail.clone()))
            .collect(),
        Step::Unit { .. } | Step::Receipt => Vec::new(),
    }
}

/// Names units that should be active and are not; returns the listener's state.
fn dead_units(findings: &mut Vec<Finding>) -> Result<Option<String>, Trouble> {
    let [block, listener, _, timer] = UNITS;
    let states = services::states(&[block, listener, timer])?;
    for (name, state) in &states {
        if state.load == "masked" {
            findings.push(finding("unit", name, "is masked: systemctl unmask it, then apply"));
        } else if state.active != "active" {
            findings.push(finding("unit", name, format!("is {}", state.active)));
        }
    }
    let state = states.get(listener);
    if let Some(trouble) = state.and_then(in_trouble) {
        findings.push(finding("listener", listener, trouble));
    }
    Ok(state.map(|state| state.active.clone()))
}

/// What keeps some clients from the sentence of a listener that runs, in its own words.
pub(super) fn in_trouble(listener: &UnitState) -> Option<String> {
    let trouble = Some(&listener.says).filter(|_| listener.active == "active");
    let trouble = notice::trouble(trouble?)?;
    Some(format!("{trouble} (the cure: journalctl -u {})", UNITS[1]))
}

/// Asks every port that the listener must answer on, over both families.
fn answers(facts: &Facts, expected: bool, findings: &mut Vec<Finding>) -> Vec<Answered> {
    const MOST: usize = 16;
    let listened = facts.reserved.iter().filter(|reserved| reserved.listen != Listen::Never);
    let families: [(IpAddr, &'static str); 2] =
        [(Ipv4Addr::LOCALHOST.into(), "IPv4"), (Ipv6Addr::LOCALHOST.into(), "IPv6")];
    let mut answers = Vec::new();
    for reserved in listened.take(MOST) {
        let port = reserved.ports.first();
        for (address, family) in families {
            let outcome = probe(SocketAddr::new(address, port), PATIENCE);
            if matches!(outcome, Outcome::Failed(_)) {
                continue; // The host has no such family.
            }
            let good = match reserved.listen {
                Listen::Always => matches!(outcome, Outcome::Notice(_)),
                // Whoever holds the port may hold it on one family only.
                _ => true,
            };
            if expected && !good {
                let detail = format!("port {port} over {family}: {}", outcome.word());
                findings.push(finding("listener", "redis-port-notice.service", detail));
            }
            answers.push(Answered { port, family, outcome: outcome.word() });
        }
    }
    answers
}

/// What the rules stopped, by reserved port and family.
fn stopped(facts: &Facts, counters: &[(Family, Counter)]) -> Vec<PortCount> {
    let mut counts: BTreeMap<(PortRange, Family), (u64, u64)> = BTreeMap::new();
    for (family, Counter { ports, packets, bytes }) in counters {
        let count = counts.entry((*ports, *family)).or_default();
        *count = (count.0 + packets, count.1 + bytes);
    }
    counts.retain(|(ports, _), _| facts.reserved.iter().any(|reserved| reserved.ports == *ports));
    let count =
        |((ports, family), (packets, bytes)): ((PortRange, Family), (u64, u64))| PortCount {
            port: ports.first(),
            last_port: (ports.first() != ports.last()).then_some(ports.last()),
            family: family.name(),
            packets,
            bytes,
        };
    counts.into_iter().map(count).collect()
}

fn show(answer: &Answer) {
    match (answer.in_sync, answer.healthy) {
        (true, true) if answer.ports.is_empty() => say!("in sync: the files are as applied"),
        (true, true) => say!("guarded: everything is as it was applied"),
        (false, _) if answer.bundle.is_none() => say!("not applied"),
        (_, false) => say!("broken: something that guards or answers is not in place"),
        (false, true) => say!("drifted: guarded, but not as it was applied"),
    }
    if let (Some(bundle), Some(applied)) = (&answer.bundle, &answer.applied) {
        say!("bundle {bundle}, applied {applied}");
    }
    for finding in &answer.findings {
        say!("  {:<8} {}: {}", finding.kind, finding.target, finding.detail);
    }
    if let Some(mend) = &answer.mend {
        say!("mend with: {mend}");
    }
    if !answer.ports.is_empty() {
        say!("\nstopped so far:");
        for count in &answer.ports {
            let ports = match count.last_port {
                Some(last) => format!("{}-{last}", count.port),
                None => count.port.to_string(),
            };
            say!(
                "  port {ports:<11} {}  {:>10} packets {:>12} bytes",
                count.family,
                count.packets,
                count.bytes
            );
        }
    }
    if !answer.listener.answers.is_empty() {
        let unit = answer.listener.unit.as_deref().unwrap_or("not under systemd");
        say!("\nlistener ({unit}), asked on this host:");
        for answered in &answer.listener.answers {
            say!("  port {:<11} {}  {}", answered.port, answered.family, answered.outcome);
        }
    }
}
