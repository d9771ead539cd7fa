//! The verdict of `status`: whether outsiders reach a reserved port, and its first sentence. Pure.
//!
//! Guarantees: `BLOCKED` and `OK` are said only where redisguard's own rules keep outsiders out for sure.

use super::types::{Finding, FindingKind, Verdict};
use crate::family::Family;
use crate::firewall::Exposure;
use crate::spec::PortSet;
use std::collections::BTreeMap;

/// What the verdict goes by.
pub(super) struct Evidence<'a> {
    /// Whether this is a running host; an offline tree has no kernel.
    pub(super) is_live: bool,
    /// Whether anything of redisguard's is here.
    pub(super) is_present: bool,
    /// Where outsiders get through; `None` where nothing says which ports are reserved.
    pub(super) exposure: Option<&'a Exposure>,
    /// What decides on packets before redisguard's rules, in words.
    pub(super) early: &'a [String],
    /// Everything that is not as it should be.
    pub(super) findings: &'a [Finding],
}

/// The verdict, and the sentence behind it.
pub(super) fn decide(evidence: &Evidence) -> (Verdict, String) {
    let Evidence { is_live, is_present, exposure, early, findings } = evidence;
    let say = |verdict, words: &str| (verdict, words.to_owned());
    if !is_present {
        return say(Verdict::Absent, "nothing was ever applied to this host");
    }
    match (is_live, findings.is_empty()) {
        (false, true) => {
            return say(Verdict::Ok, "the files of this tree are as they were applied");
        }
        (false, false) => {
            let words = "the files of this tree are not as they were applied; what its system will load is not \
                         certain";
            return say(Verdict::Unknown, words);
        }
        _ => {}
    }
    let Some(exposure) = exposure else {
        return say(Verdict::Unknown, "nothing here says which ports are reserved");
    };
    if !exposure.open.is_empty() {
        let words = format!("outsiders can reach {}", ports(&exposure.open));
        return (Verdict::Open, words);
    }
    if !exposure.unknown.is_empty() {
        let words = format!(
            "redisguard's rules are missing or edited; outsiders may get through to {}",
            ports(&exposure.unknown)
        );
        return (Verdict::Unknown, words);
    }
    if !early.is_empty() {
        let verb = if early.len() == 1 { "decides" } else { "decide" };
        let words = format!(
            "redisguard's rules are loaded, but {} {verb} before them",
            early.join(" and ")
        );
        return (Verdict::Unknown, words);
    }
    match but(findings) {
        None => say(Verdict::Ok, "outsiders are blocked, and everything is as it was applied"),
        Some(but) => (Verdict::Blocked, format!("outsiders are blocked, but {but}")),
    }
}

/// The worst of what is wrong on a host that is shut.
fn but(findings: &[Finding]) -> Option<&'static str> {
    use FindingKind::{
        Boot, Bundle, File, Link, Listener, Notice, Others, Receipt, Rules, Sysctl, Timer, Unit,
    };
    let has = |kind| findings.iter().any(|finding| finding.kind == kind);
    let is_broken = |kind| findings.iter().any(|finding| finding.kind == kind && finding.broken);
    let worst = [
        (has(Rules), "the rules are not as they were loaded"),
        (has(Notice), "they are not told where to go"),
        (is_broken(Listener), "the listener does not work as it should"),
        (is_broken(Unit), "a unit does not run"),
        (has(Boot), "no script was found that loads the rules at boot"),
        (has(Timer), "nothing checks the rules every minute"),
        (has(Listener), "the listener soon needs attention"),
        (has(Receipt), "redisguard's record is missing or damaged"),
        (has(File) || has(Link) || has(Sysctl), "the host is not as it was applied"),
        (has(Unit), "a unit is not as it was applied"),
        (has(Bundle), "another bundle was not applied yet"),
        (has(Others), "other programs interfere"),
    ];
    worst.into_iter().find(|(holds, _)| *holds).map(|(_, words)| words)
}

/// Ports by family: `ports 6379, 6380 (IPv4, IPv6)`.
fn ports(by_family: &BTreeMap<Family, PortSet>) -> String {
    let noun = |ports: &PortSet| if ports.len() == 1 { "port" } else { "ports" };
    let mut parts: Vec<(&PortSet, Vec<&str>)> = Vec::new();
    for (family, ports) in by_family {
        match parts.iter_mut().find(|(known, _)| *known == ports) {
            Some((_, families)) => families.push(family.name()),
            None => parts.push((ports, vec![family.name()])),
        }
    }
    let part = |(ports, families): &(&PortSet, Vec<&str>)| {
        format!("{} {} ({})", noun(ports), ports.joined(", "), families.join(", "))
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn set(ports: &str) -> PortSet {
        ports.parse().unwrap()
    }

    fn of(exposure: &Exposure, early: &[&str], findings: &[Finding]) -> (Verdict, String) {
        let early: Vec<String> = early.iter().map(|&one| one.to_owned()).collect();
        decide(&Evidence {
            is_live: true,
            is_present: true,
            exposure: Some(exposure),
            early: &early,
            findings,
        })
    }

    #[test]
    fn open_comes_before_unknown_and_unknown_before_blocked() {
        let closed = Exposure::default();
        let both = |ports: &str| Family::BOTH.map(|family| (family, set(ports))).into();
        let unknown = Exposure { unknown: both("6380"), ..Exposure::default() };
        let open = Exposure { open: both("6379-6380"), ..unknown.clone() };
        let rules = [Finding::new(FindingKind::Rules, "IPv4", "x")];
        for (exposure, early, findings, verdict, words) in [
            (&open, &["x"][..], &rules[..], Verdict::Open, "reach ports 6379-6380 (IPv4, IPv6)"),
            (&unknown, &[], &rules, Verdict::Unknown, "may get through to port 6380 (IPv4, IPv6)"),
            (&closed, &["a", "b"], &rules, Verdict::Unknown, "but a and b decide before them"),
            (&closed, &[], &rules, Verdict::Blocked, "rules are not as they were loaded"),
            (&closed, &[], &[], Verdict::Ok, "everything is as it was applied"),
        ] {
            let (found, said) = of(exposure, early, findings);
            assert_eq!(found, verdict, "{said}");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn families_with_other_ports_are_named_apart() {
        let open = BTreeMap::from([(Family::V4, set("6379")), (Family::V6, set("6379-6380"))]);
        assert_eq!(ports(&open), "port 6379 (IPv4) and ports 6379-6380 (IPv6)");
        assert_eq!(ports(&BTreeMap::from([(Family::V6, set("1,5"))])), "ports 1, 5 (IPv6)");
    }

    #[test]
    fn every_kind_of_finding_keeps_the_verdict_from_being_ok() {
        use FindingKind::{
            Boot, Bundle, File, Link, Listener, Notice, Others, Receipt, Rules, Sysctl, Timer, Unit,
        };
        for kind in [
            Boot, Bundle, File, Link, Listener, Notice, Others, Receipt, Rules, Sysctl, Timer, Unit,
        ] {
            for broken in [false, true] {
                let finding = Finding { broken, ..Finding::new(kind, "x", "y") };
                let (verdict, said) = of(&Exposure::default(), &[], &[finding]);
                assert_eq!(verdict, Verdict::Blocked, "{kind}: {said}");
            }
        }
    }

    #[test]
    fn a_tree_is_neither_open_nor_blocked() {
        let file = [Finding::new(FindingKind::File, "/etc/a", "was edited")];
        for (findings, verdict) in [(&file[..], Verdict::Unknown), (&[], Verdict::Ok)] {
            let evidence =
                Evidence { is_live: false, is_present: true, exposure: None, early: &[], findings };
            assert_eq!(decide(&evidence).0, verdict);
        }
    }
}
