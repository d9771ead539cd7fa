//! The names of redisguard's chains, and the comments that say which reserved port a rule decides on.
//! Runs nothing.

use crate::spec::PortRange;

/// The tables that they are in.
pub(super) const TABLES: [&str; 3] = ["filter", "mangle", "nat"];
/// How the names of all chains begin.
pub(in crate::firewall) const PREFIX: &str = "REDISGUARD-";
/// The chain of the filter table that outsiders' packets meet first.
pub(super) const INPUT: &str = "REDISGUARD-IN";
/// The chain that writes to the kernel's log.
pub(super) const LOG: &str = "REDISGUARD-LOGGED";
/// How the names of retired chains begin: those whose counters are to be read before they go.
pub(super) const RETIRED_PREFIX: &str = "REDISGUARD-OLD";

/// Whether a chain is retired.
pub(super) fn is_retired(chain: &str) -> bool {
    chain.starts_with(RETIRED_PREFIX)
}

/// Whether a rule leads into a chain of redisguard's. The target ends the rule; a comment may hold the same
/// words, but ends with its quote.
pub(in crate::firewall) fn is_jump(rule: &str) -> bool {
    let mut words = rule.rsplit(' ');
    let target = words.next().is_some_and(|word| word.starts_with(PREFIX) && !word.ends_with('"'));
    target && matches!(words.next(), Some("-j" | "-g"))
}

/// The reserved port that a rule decides on, and whether it does so for probes, by its comment:
/// `"redisguard:PORTS:…"` or `"redisguard:probe:PORTS:…"`.
pub(super) fn ports_of(rule: &str) -> Option<(PortRange, bool)> {
    let (_, comment) = rule.split_once("--comment \"redisguard:")?;
    let of_probes = comment.strip_prefix("probe:");
    let (ports, _) = of_probes.unwrap_or(comment).split_once(':')?;
    Some((ports.parse().ok()?, of_probes.is_some()))
}
