//! `status`: what is wrong, or that nothing is.

use super::plan::computed;
use super::{Status, coloured, out, print_json};
use crate::args::InstallerArgs;
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::family::Family;
use crate::firewall;
use crate::firewall::missing_family;
use crate::host::change::confirm;
use crate::host::observe;
use crate::host::observe::Look;
use crate::host::receipt::{Receipt, State};
use crate::host::{Host, bundle_source, listener_health, rules_service};
use crate::log_sources::{RecentAttempt, recent_attempts};
use crate::os::systemd;
use crate::report::to_rfc3339;
use crate::spec::PortRange;
use crate::status::findings::{
    Finding, another_bundle, answers, applied_bundle, dead_units, drifted, finding, in_the_way,
    out_of_reach,
};
use crate::status::unit_overrides;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;

#[derive(Serialize)]
pub(super) struct Answer {
    pub in_sync: bool,
    pub healthy: bool,
    pub bundle: Option<String>,
    pub applied: Option<String>,
    #[serde(skip)]
    pub missing_family: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_by: Option<String>,
    pub findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_since: Option<String>,
    pub ports: Vec<PortCount>,
    pub knocks: Vec<Recent>,
    pub listener: Listener,
}

/// How many of those who knocked last are shown.
const MOST_KNOCKS: usize = 5;

/// Somebody who knocked from outside.
#[derive(Serialize)]
pub(super) struct Recent {
    pub at: String,
    pub source: String,
    pub port: u16,
    pub answer: &'static str,
    pub library: Option<String>,
}

impl From<RecentAttempt> for Recent {
    fn from(latest: RecentAttempt) -> Self {
        let RecentAttempt { at, source, port, answer, library } = latest;
        let (at, source) = (to_rfc3339(at), source.to_string());
        Self { at, source, port, answer: answer.name(), library }
    }
}

#[derive(Serialize)]
pub(super) struct PortCount {
    pub port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
    pub family: &'static str,
    pub packets: u64,
    pub bytes: u64,
}

impl PortCount {
    /// `6379`, or `6381-6390`.
    pub fn port_label(&self) -> String {
        match self.last_port {
            Some(last) => format!("{}-{last}", self.port),
            None => self.port.to_string(),
        }
    }
}

#[derive(Default, Serialize)]
pub(super) struct Listener {
    pub unit: Option<String>,
    pub answers: Vec<Answered>,
}

#[derive(Serialize)]
pub(super) struct Answered {
    pub port: u16,
    pub family: &'static str,
    pub outcome: &'static str,
}

impl From<listener_health::Answer> for Answered {
    fn from(answer: listener_health::Answer) -> Self {
        let listener_health::Answer { port, family, outcome, .. } = answer;
        Self { port, family: family.name(), outcome: outcome.name() }
    }
}

/// Whether the listener is asked on its ports: it counts and logs that like anybody's asking.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listening {
    /// It is.
    Asked,
    /// What systemd and the kernel say of it is enough.
    Seen,
}

/// The whole answer but for a change that waits to be confirmed.
pub(super) fn answer(
    args: &InstallerArgs,
    host: &Host,
    listening: Listening,
) -> Result<Answer, Error> {
    match Receipt::read(host)? {
        None => nothing_applied(host),
        Some(receipt) => look(args, host, receipt, listening),
    }
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let host = Host::at(&args.root)?;
    let mut answer = answer(args, &host, Listening::Asked)?;
    let waits = confirm::read(&host)?;
    answer.confirm_by = waits.as_ref().map(|record| record.confirm_by.clone());
    if args.json {
        print_json(&answer);
    } else {
        show(&answer);
        if let Some(record) = waits {
            out!("\n{}", record.sentence(&host));
        }
    }
    let fine = answer.in_sync && answer.healthy && answer.findings.is_empty();
    Ok(if fine { Status::Same } else { Status::Differs })
}

/// No receipt: nothing can be compared, but rules of ours may be in the kernel all the same.
fn nothing_applied(host: &Host) -> Result<Answer, Error> {
    let guarded = host.is_live() && firewall::is_any_installed()?;
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
        missing_family: None,
        mend: None,
        confirm_by: None,
        findings: vec![finding("receipt", "host", detail)],
        counted_since: None,
        ports: Vec::new(),
        knocks: Vec::new(),
        listener: Listener::default(),
    })
}

fn look(
    args: &InstallerArgs,
    host: &Host,
    receipt: Receipt,
    listening: Listening,
) -> Result<Answer, Error> {
    let mut findings = Vec::new();
    if receipt.state == State::Changing {
        let detail = "a change began and has not ended: apply again, or remove";
        findings.push(finding("receipt", "host", detail));
    }
    let directory = args.bundle.as_deref();
    let another = another_bundle(&receipt, directory)?;
    // Against what was applied, also where another one is named.
    let bundle = applied_bundle(host, &receipt, directory, &mut findings);
    let applied = bundle.map(|bundle| {
        rules_service::guard_config(&bundle).map(|guard_config| (bundle, guard_config))
    });
    let applied = applied.transpose()?;
    let (mut ports, mut others, mut counted_since) = (Vec::new(), Vec::new(), None);
    // What apply does not mend: each says itself what does.
    let mut by_hand = Vec::new();
    if let Some((bundle, guard_config)) = &applied {
        let computed = computed(host, bundle, guard_config, Look::Counts)?;
        let strangers = &computed.observed.strangers;
        findings.extend(strangers.iter().map(|(path, what)| {
            finding("file", path, format!("is {what}: move it away, then apply"))
        }));
        let drift = computed.plan.steps.iter().flat_map(|step| drifted(host, step, &receipt));
        findings.extend(drift.filter(|found| !strangers.contains_key(&found.target)));
        by_hand = out_of_reach(host, &computed.observed, &receipt);
        if host.is_live() {
            ports = stopped(guard_config, &computed.observed.stopped);
            counted_since = computed.observed.counted_since;
        }
        others = in_the_way(computed.firewall.as_ref(), guard_config);
    }
    let mend = match (&another, &applied) {
        (Some(_), _) => Some(bundle_source::apply_command(directory)),
        (None, None) => None,
        (None, Some(_)) => Some(bundle_source::mend_command(&receipt)),
    };
    findings.extend(another);
    let open = observe::open_directories(host, &receipt).into_iter();
    by_hand.extend(open.map(|(directory, detail)| finding("file", &directory, detail)));
    let in_sync = findings.is_empty() && by_hand.is_empty();
    let mut listener = Listener::default();
    if host.has_systemd() {
        let units: Vec<&str> = unit_overrides::units(&receipt).into_iter().collect();
        let states = systemd::states(&units)?;
        others.extend(unit_overrides::overrides(&states, &findings));
        listener.unit = dead_units(host, &states, &mut findings);
    }
    let asked = host.is_live() && listening == Listening::Asked;
    if let Some((_, guard_config)) = applied.as_ref().filter(|_| asked) {
        let answers = answers(guard_config, host.has_systemd(), &mut findings).into_iter();
        listener.answers = answers.map(Answered::from).collect();
    }
    let shown = applied.as_ref().filter(|_| listening == Listening::Asked);
    let knocks = shown.map(|(_, guard_config)| recent_attempts(host, guard_config, MOST_KNOCKS));
    let knocks = knocks.into_iter().flatten().map(Recent::from).collect();
    // What others do, apply does not mend either.
    let mend = mend.filter(|_| !findings.is_empty());
    findings.extend(by_hand);
    findings.extend(others);
    let healthy = !findings.iter().any(|finding| finding.broken);
    let (bundle, applied) = (Some(receipt.bundle), Some(receipt.applied));
    let confirm_by = None;
    let missing_family = missing_family().filter(|_| host.is_live());
    Ok(Answer {
        in_sync,
        healthy,
        bundle,
        applied,
        missing_family,
        mend,
        confirm_by,
        findings,
        counted_since,
        ports,
        knocks,
        listener,
    })
}

/// What was stopped, by reserved port and family. A port that nobody came to counts nothing.
fn stopped(
    guard_config: &GuardConfig,
    counts: &BTreeMap<(PortRange, Family), (u64, u64)>,
) -> Vec<PortCount> {
    let mut ports: Vec<PortRange> =
        guard_config.reserved.iter().map(|reserved| reserved.ports).collect();
    ports.sort_unstable();
    let families = || Family::BOTH.into_iter().filter(|family| is_there(*family));
    let each = ports.into_iter().flat_map(|ports| families().map(move |family| (ports, family)));
    let count = |(ports, family): (PortRange, Family)| {
        let (packets, bytes) = counts.get(&(ports, family)).copied().unwrap_or_default();
        PortCount {
            port: ports.first(),
            last_port: (ports.first() != ports.last()).then_some(ports.last()),
            family: family.name(),
            packets,
            bytes,
        }
    };
    each.map(count).collect()
}

/// Whether the host has a family.
fn is_there(family: Family) -> bool {
    family == Family::V4 || missing_family().is_none()
}

/// A finding in lines that fit a terminal of 80 columns: its detail goes below what it is about where
/// both do not fit into one.
fn folded(finding: &Finding) -> String {
    const WIDTH: usize = 80;
    const INDENT: &str = "             ";
    let mut text = format!("  {:<8} {}:", finding.kind, finding.target);
    let line = format!("{text} {}", finding.detail);
    if line.chars().count() <= WIDTH {
        return line;
    }
    let mut used = WIDTH;
    for word in finding.detail.split(' ') {
        let length = word.chars().count();
        if used + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(INDENT);
            used = INDENT.len() + length;
        } else {
            text.push(' ');
            used += 1 + length;
        }
        text.push_str(word);
    }
    text
}

/// What is so, in a few words; green where all is well, red where not, and yellow where it is guarded all
/// the same.
fn headline(answer: &Answer, colour: bool) -> String {
    const GREEN: u8 = 32;
    const YELLOW: u8 = 33;
    const RED: u8 = 31;
    let (paint, words) = match (answer.in_sync, answer.healthy) {
        (true, true) if answer.ports.is_empty() => (GREEN, "in sync: the files are as applied"),
        (true, true) if answer.findings.is_empty() => {
            (GREEN, "guarded: everything is as it was applied")
        }
        (true, true) => (YELLOW, "guarded: but see what others have done"),
        (false, _) if answer.bundle.is_none() => (RED, "not applied"),
        (_, false) => (RED, "broken: something that guards or answers is not in place"),
        (false, true) => (YELLOW, "drifted: guarded, but not as it was applied"),
    };
    if colour { format!("\x1b[1;{paint}m{words}\x1b[0m") } else { words.to_owned() }
}

fn show(answer: &Answer) {
    out!("{}", headline(answer, coloured(&io::stdout())));
    if let (Some(bundle), Some(applied)) = (&answer.bundle, &answer.applied) {
        out!("bundle {bundle}, applied {applied}");
    }
    if let Some(missing) = answer.missing_family {
        out!("{missing}");
    }
    for finding in &answer.findings {
        out!("{}", folded(finding));
    }
    if let Some(mend) = &answer.mend {
        out!("mend with: {mend}");
    }
    if !answer.ports.is_empty() {
        // Of very many ports only those that anybody came to.
        const MANY: usize = 40;
        let many = answer.ports.len() > MANY;
        let shown = answer.ports.iter().filter(|count| !many || count.packets > 0);
        let since = answer.counted_since.as_ref().map(|since| format!(" since {since}"));
        let since = since.unwrap_or_else(|| " so far".to_owned());
        out!("\nstopped or told{since}{}:", if many { " (others: nothing)" } else { "" });
        for count in shown {
            out!(
                "  port {:<11} {}  {:>12} packets {:>16} bytes",
                count.port_label(),
                count.family,
                count.packets,
                count.bytes
            );
        }
    }
    if !answer.knocks.is_empty() {
        out!("\nlatest knocks from outside (`redisguard-install report` has all):");
        for Recent { at, source, port, answer, library } in &answer.knocks {
            let library = library.as_ref().map(|library| format!(", {library}"));
            out!("  {at}  {source:<18} port {port:<5}  {answer}{}", library.unwrap_or_default());
        }
    }
    if !answer.listener.answers.is_empty() {
        let unit = answer.listener.unit.as_deref().unwrap_or("not under systemd");
        out!("\nlistener ({unit}), asked on this host:");
        for answered in &answer.listener.answers {
            out!("  port {:<11} {}  {}", answered.port, answered.family, answered.outcome);
        }
    }
}
