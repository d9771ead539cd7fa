//! From findings to causes and the fix: a cause is one thing that happened, and may be many findings. Pure.

use super::types::{Command, Finding, FindingKind};
use crate::unit::Unit;

/// How many paths, rules or answers one sentence names.
const MOST_NAMED: usize = 6;

/// What is wrong, one sentence a cause.
pub fn causes(findings: &[Finding]) -> Vec<String> {
    let mut causes = Vec::new();
    let mut is_told = vec![false; findings.len()];
    for (index, finding) in findings.iter().enumerate() {
        if std::mem::replace(&mut is_told[index], true) {
            continue;
        }
        let mut together = vec![finding];
        for (other, other_finding) in findings.iter().enumerate().skip(index + 1) {
            if !is_told[other] && is_same_cause(finding, other_finding) {
                is_told[other] = true;
                together.push(other_finding);
            }
        }
        causes.push(sentence(&together));
    }
    causes.dedup();
    causes
}

/// Whether a unit is the listener's, and does not run.
fn is_dead_listener(finding: &Finding) -> bool {
    finding.kind == FindingKind::Unit && finding.target == Unit::Listener.name() && finding.broken
}

/// Whether two findings have one cause; the first one comes first.
fn is_same_cause(one: &Finding, other: &Finding) -> bool {
    use FindingKind::{File, Link, Listener, Rules};
    match (one.kind, other.kind) {
        (Rules, Rules) => match (&one.table, &other.table) {
            (Some((table, what)), Some((other_table, other_what))) => {
                table == other_table && (one.target == other.target || what == other_what)
            }
            (None, None) => one.detail == other.detail,
            _ => false,
        },
        (File | Link, File | Link) => {
            one.detail == other.detail && one.remedy.first.is_none() && other.remedy.first.is_none()
        }
        (Listener, Listener) => one.remedy == other.remedy,
        // Its ports are silent because it does not run.
        (_, Listener) => is_dead_listener(one),
        (Listener, _) => is_dead_listener(other),
        _ => false,
    }
}

/// The sentence of a cause.
fn sentence(findings: &[&Finding]) -> String {
    let first = findings.iter().find(|finding| is_dead_listener(finding)).unwrap_or(&findings[0]);
    let targets = || named(findings.iter().map(|finding| finding.target.as_str()));
    match first.kind {
        FindingKind::Rules => match &first.table {
            Some((table, _)) => {
                let what = findings
                    .iter()
                    .filter_map(|finding| finding.table.as_ref().map(|(_, what)| what.as_str()));
                format!("{}, table {table}: {}", targets(), named(what))
            }
            None => format!("{}: {}", targets(), first.detail),
        },
        FindingKind::File | FindingKind::Link if findings.len() > 1 => {
            format!("{} paths: each {}: {}", findings.len(), first.detail, targets())
        }
        FindingKind::Listener => {
            format!(
                "the listener: {}",
                named(findings.iter().map(|finding| finding.detail.as_str()))
            )
        }
        FindingKind::Unit if findings.len() > 1 => {
            let answers = findings.iter().filter(|finding| finding.kind == FindingKind::Listener);
            let answers = named(answers.map(|finding| finding.detail.as_str()));
            format!("{} {} ({answers})", first.target, first.detail)
        }
        FindingKind::Receipt | FindingKind::Notice if !first.target.starts_with('/') => {
            first.detail.clone()
        }
        FindingKind::Boot | FindingKind::Timer => first.detail.clone(),
        FindingKind::Others if !first.target.starts_with('/') => first.detail.clone(),
        _ => format!("{} {}", first.target, first.detail),
    }
}

/// The first ones of a list without doubles, and how many more there are.
fn named<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut once: Vec<&str> = Vec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    let separator = if once.iter().any(|one| one.contains(", ")) { "; " } else { ", " };
    let more = once.len().saturating_sub(MOST_NAMED);
    let shown = once[..once.len() - more].join(separator);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// What to do about findings: what a person must do first, then one command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fix {
    /// Sentences, in order.
    pub(super) first: Vec<String>,
    /// The command after that; `None` where no command helps.
    pub(super) command: Option<String>,
}

/// The fix of all findings. `apply` is the command that applies the bundle again.
pub(super) fn fix(findings: &[Finding], apply: Option<&str>) -> Fix {
    let mut fix = Fix::default();
    let mut commands: Vec<&str> = Vec::new();
    // What guards comes first: a later command that fails must not keep it away.
    let is_apply = |finding: &&Finding| finding.remedy.command == Some(Command::Apply);
    commands.extend(findings.iter().find(is_apply).and(apply));
    for finding in findings {
        if let Some(sentence) = &finding.remedy.first
            && !fix.first.contains(sentence)
        {
            fix.first.push(sentence.clone());
        }
        if let Some(Command::Shell(command)) = &finding.remedy.command
            && !commands.contains(&command.as_str())
        {
            commands.push(command);
        }
    }
    fix.command = (!commands.is_empty()).then(|| commands.join(" && "));
    fix
}

#[cfg(test)]
mod tests {
    use super::*;
    use FindingKind::{File, Listener, Others, Rules, Unit as UnitKind};

    fn rules(family: &str, table: &str, what: &str) -> Finding {
        Finding {
            table: Some((table.to_owned(), what.to_owned())),
            ..Finding::new(Rules, family, format!("{table}: {what}"))
        }
    }

    #[test]
    fn one_flush_is_one_cause_and_names_what_is_missing() {
        let flushed = [
            rules("IPv4", "filter", "chain REDISGUARD-IN was flushed"),
            rules("IPv4", "filter", "the jump from INPUT is missing"),
            rules("IPv4", "filter", "the second jump from INPUT is missing"),
        ];
        let words = "chain REDISGUARD-IN was flushed, the jump from INPUT is missing, the second jump \
                     from INPUT is missing";
        assert_eq!(causes(&flushed), [format!("IPv4, table filter: {words}")]);
        let gone =
            ["IPv4", "IPv6"].map(|of| Finding::new(Rules, of, "redisguard's rules are not loaded"));
        assert_eq!(causes(&gone), ["IPv4, IPv6: redisguard's rules are not loaded"]);
        let both =
            ["IPv4", "IPv6"].map(|of| rules(of, "nat", "the jump from PREROUTING is missing"));
        assert_eq!(causes(&both), ["IPv4, IPv6, table nat: the jump from PREROUTING is missing"]);
        let other = [rules("IPv4", "filter", "a"), rules("IPv4", "nat", "b")];
        assert_eq!(causes(&other).len(), 2);
    }

    #[test]
    fn a_listener_that_does_not_run_is_one_cause_with_its_silent_ports() {
        let name = Unit::Listener.name();
        let port =
            |port: u16| Finding::new(Listener, name, format!("port {port} over IPv4: refused"));
        let dead = Finding::new(UnitKind, name, "does not run");
        for findings in [[dead.clone(), port(6379), port(6380)], [port(6379), port(6380), dead]] {
            assert_eq!(
                causes(&findings),
                [format!(
                    "{name} does not run (port 6379 over IPv4: refused, port 6380 over IPv4: refused)"
                )]
            );
        }
    }

    #[test]
    fn many_paths_are_one_cause() {
        let paths = ["/etc/a", "/etc/b", "/etc/c", "/etc/d", "/etc/e", "/etc/f", "/etc/g"];
        let missing = paths.map(|path| Finding::new(File, path, "is missing"));
        assert_eq!(
            causes(&missing),
            ["7 paths: each is missing: /etc/a, /etc/b, /etc/c, /etc/d, /etc/e, /etc/f and 1 more"]
        );
    }

    #[test]
    fn what_guards_is_done_first_and_what_a_person_must_do_is_said_once() {
        let shell = |command: &str| Command::Shell(command.to_owned());
        let findings = [
            Finding::new(Others, "x", "y").command(shell("ufw reload")),
            Finding::new(UnitKind, "a", "is masked").first("unmask a").command(Command::Apply),
            Finding::new(UnitKind, "a", "does not run").first("unmask a").command(Command::Apply),
        ];
        let fixed = fix(&findings, Some("redisguard-install apply"));
        assert_eq!(fixed.first, ["unmask a"]);
        assert_eq!(fixed.command.as_deref(), Some("redisguard-install apply && ufw reload"));
        assert_eq!(fix(&[Finding::new(Others, "x", "y")], Some("z")), Fix::default());
    }
}
