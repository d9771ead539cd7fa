//! Owns an example of everything that `--json` prints, made of the very types that are printed: the
//! reference is written from them. None leaves a field out by `..`, so that a new one must be thought of.

use super::output::Steps;
use super::probe;
use super::probe::{HostAnswer, PortAnswer, Unasked};
use super::{confirm, rules};
use crate::cli::reference::Example;
use crate::expectation::{Outcome, OutcomeKind};
use crate::family::Family;
use crate::os::sockets::{Listener, Peer};
use crate::plan::StepView;
use crate::rehearse::{Case, Control, Observation, Report, Vantage};
use crate::report::{
    Aggregate, AnswerKind, Filter, LibraryUse, LineFormat, Summary, TimestampParser, UnixMillis,
};
use crate::status::{
    Finding, FindingKind, HostStatus, ListenerAnswer, ListenerStatus, PortCount, RecentAttempt,
};
use jiff::tz::TimeZone;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const BUNDLE: &str = "19ae7dba41c4";
const MOMENT: &str = "2026-11-22T22:56:34Z";

/// Every verb's.
pub fn examples() -> Vec<Example> {
    let report = report();
    vec![
        Example::of("plan, apply, revert, remove", &[steps(), few_steps(), no_steps()]),
        Example::of(
            "confirm",
            &[confirm::Confirmed { confirmed: true, bundle: BUNDLE.to_owned() }],
        ),
        Example::of("status", &[drifted(), fine()]),
        Example::of("report", &[report_of_two_lines(), report_without_names()]),
        Example::of("rules load, rules save, rules unload", &[rules_loaded()]),
        Example::of("rehearse", &[report.json()]),
        Example::of("probe", &[probed()]),
    ]
}

fn step(kind: &'static str, target: &str, action: &str, diff: Option<&str>) -> StepView {
    let (target, action) = (target.to_owned(), action.to_owned());
    StepView { kind, target, action, diff: diff.map(str::to_owned) }
}

fn steps() -> Steps<'static> {
    const RULES: &str = "/etc/redisguard/rules.v4";
    let diff = "--- a/etc/redisguard/rules.v4\n+++ b/etc/redisguard/rules.v4\n@@ -1 +1 @@\n";
    let (address, other) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv4Addr::new(198, 51, 100, 7));
    let program = Some("redis-server".to_owned());
    Steps {
        changed: true,
        bundle: BUNDLE,
        steps: vec![step("file", RULES, "change", Some(diff))],
        peers: vec![Peer { port: 6379, address: other.into() }],
        listeners: vec![Listener { port: 6380, address, program, pid: Some(812) }],
        confirm_by: Some(MOMENT.to_owned()),
    }
}

fn few_steps() -> Steps<'static> {
    let address = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    Steps {
        changed: true,
        bundle: BUNDLE,
        steps: vec![step("receipt", "/var/lib/redisguard/receipt.json", "write", None)],
        peers: Vec::new(),
        listeners: vec![Listener { port: 6380, address, program: None, pid: None }],
        confirm_by: None,
    }
}

fn no_steps() -> Steps<'static> {
    Steps {
        changed: false,
        bundle: BUNDLE,
        steps: Vec::new(),
        peers: Vec::new(),
        listeners: Vec::new(),
        confirm_by: None,
    }
}

fn drifted() -> HostStatus {
    let (packets, bytes) = (12, 720);
    let family = Family::V4.name();
    let outcome = Outcome::Refused.name();
    HostStatus {
        in_sync: false,
        healthy: false,
        bundle: Some(BUNDLE.to_owned()),
        applied: Some(MOMENT.to_owned()),
        missing_family: None,
        note: None,
        unconfirmed: None,
        mend: Some("redisguard-install apply".to_owned()),
        confirm_by: Some(MOMENT.to_owned()),
        findings: vec![Finding::new(FindingKind::Rules, family, "the jump in INPUT is missing")],
        counted_since: Some(MOMENT.to_owned()),
        ports: vec![PortCount { port: 6370, last_port: Some(6379), family, packets, bytes }],
        knocks: vec![RecentAttempt {
            at: MOMENT.to_owned(),
            source: "198.51.100.7".to_owned(),
            port: 6379,
            answer: AnswerKind::NoticeSent.name(),
            library: Some("jedis 4.3.1".to_owned()),
        }],
        listener: ListenerStatus {
            unit: Some("active".to_owned()),
            answers: vec![ListenerAnswer { port: 6370, family, outcome }],
        },
    }
}

fn fine() -> HostStatus {
    let (family, packets, bytes) = (Family::V6.name(), 0, 0);
    HostStatus {
        in_sync: true,
        healthy: true,
        bundle: None,
        applied: None,
        missing_family: None,
        note: None,
        unconfirmed: None,
        mend: None,
        confirm_by: None,
        findings: Vec::new(),
        counted_since: None,
        ports: vec![PortCount { port: 6379, last_port: None, family, packets, bytes }],
        knocks: vec![RecentAttempt {
            at: MOMENT.to_owned(),
            source: "2001:db8::7".to_owned(),
            port: 6379,
            answer: AnswerKind::Dropped.name(),
            library: None,
        }],
        listener: ListenerStatus { unit: None, answers: Vec::new() },
    }
}

/// The report of two log lines.
fn report_of_two_lines() -> Summary {
    let logs = "time=2026-11-22T22:56:34.743Z peer=198.51.100.7 port=6379 family=4 protocol=resp \
                library=redis-py library-version=5.0.1 outcome=told\n\
                2026-11-22T22:56:35Z web kernel: redisguard drop: SRC=198.51.100.8 PROTO=TCP DPT=6380 SYN\n";
    let filter = Filter { since: 0, until: UnixMillis::MAX, ports: Vec::new() };
    let (mut aggregate, mut timestamps) =
        (Aggregate::default(), TimestampParser::new(TimeZone::UTC, 0));
    let log = &mut logs.as_bytes();
    // Bytes in memory can be read.
    let _ = crate::report::read_lines(
        log,
        LineFormat::Detect,
        &mut timestamps,
        &filter,
        &mut aggregate,
    );
    let mut summary = Summary::new(&aggregate, usize::MAX);
    summary.host = Some("web".to_owned());
    summary.logs = vec!["/var/log/redisguard/redis_port_notice.log".to_owned()];
    summary.kernel = Some("the journal".to_owned());
    let why = "could not read /var/log/redisguard/redis_port_notice.log.2.gz to its end: corrupt deflate stream";
    summary.incomplete = vec![why.to_owned()];
    for source in summary.by_source.iter_mut().take(1) {
        source.name = Some("app-1.example.org".to_owned());
        // In either form that a version has.
        let other = LibraryUse { name: "lettuce".to_owned(), version: None, attempts: 1 };
        source.libraries.push(other);
    }
    for library in &mut summary.libraries {
        library.version = None;
    }
    summary
}

fn report_without_names() -> Summary {
    let mut summary = report_of_two_lines();
    (summary.host, summary.first, summary.last, summary.kernel) = (None, None, None, None);
    summary.ports.iter_mut().for_each(|port| port.port = None);
    for source in &mut summary.by_source {
        (source.name, source.port) = (None, None);
    }
    summary
}

fn rules_loaded() -> rules::RulesChange {
    let findings = vec!["IPv4: the jump in INPUT is missing".to_owned()];
    rules::RulesChange { changed: true, findings }
}

fn report() -> Report {
    let service = "Default Redis Port".to_owned();
    let (from, expected) = (Vantage::Outside, OutcomeKind::Silence);
    let case = Case { from, port: 6379, service, expected };
    Report {
        bundle: BUNDLE.to_owned(),
        with_ipv6: true,
        control: Control { reached: 4, tried: 4 },
        observations: vec![Observation { case, outcomes: vec![(Family::V4, Outcome::Silence)] }],
    }
}

fn probed() -> probe::Answer {
    let address = IpAddr::from(Ipv4Addr::new(198, 51, 100, 7));
    let port = |port, kind, promised, met, text: Option<&str>| PortAnswer {
        port,
        family: Family::of(address).name(),
        address,
        kind,
        promised,
        met,
        text: text.map(str::to_owned),
        milliseconds: if met == "dropped" { 2001 } else { 0 },
        as_promised: true,
    };
    let host = |host: &str, problem: Option<&str>, unasked, ports| HostAnswer {
        host: host.to_owned(),
        as_promised: problem.is_none(),
        problem: problem.map(str::to_owned),
        unasked,
        ports,
    };
    let unasked = Unasked {
        address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into(),
        cause: "Network is unreachable (os error 101)".to_owned(),
    };
    let ports = vec![
        port(6379, "reserved", "dropped", "dropped", None),
        port(7000, "cluster", "untouched", "open", Some("+PONG")),
    ];
    let unknown = "its address was not found: Name or service not known";
    probe::Answer {
        as_promised: false,
        bundle: BUNDLE.to_owned(),
        hosts: vec![
            host("redis-1.example.org", None, vec![unasked], ports),
            host("redis-2.example.org", Some(unknown), Vec::new(), Vec::new()),
        ],
    }
}
