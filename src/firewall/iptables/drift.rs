//! The difference between a family's wanted rules and the installed ones, in words. Runs nothing.

use super::chains::ports_of;
use super::ruleset::{Jump, Ruleset, Table};
use crate::plan::RuleFault;

impl Ruleset {
    /// The digest of the bundle that all jumps name; `None` where they do not agree.
    fn bundle(&self) -> Option<&str> {
        let jumps = self.tables.values().flat_map(|table| &table.jumps);
        let mut digests = jumps.map(|jump| {
            let (_, comment) = jump.rule.split_once("--comment \"redisguard:")?;
            comment.split_once('"').map(|(digest, _)| digest)
        });
        let first = digests.next()??;
        digests.all(|digest| digest == Some(first)).then_some(first)
    }

    /// Every difference of the installed rules from these, in words; empty where there is none.
    pub fn drift(&self, installed: &Self) -> Vec<RuleFault> {
        if installed.tables.is_empty() && !self.tables.is_empty() {
            return vec![RuleFault::of_all("redisguard's rules are not loaded")];
        }
        if let (Some(wanted), Some(found)) = (self.bundle(), installed.bundle())
            && wanted != found
        {
            return vec![RuleFault::of_all(format!("the rules are of bundle {found}"))];
        }
        let mut faults = Vec::new();
        for (name, wanted, found) in self.tables_beside(installed) {
            let words = chain_drift(wanted, found).into_iter().chain(jump_drift(wanted, found));
            faults.extend(words.map(|what| RuleFault::in_table(name, what)));
        }
        faults
    }
}

fn chain_drift(wanted: &Table, found: &Table) -> Vec<String> {
    let mut findings = Vec::new();
    for (chain, rules) in &wanted.chains {
        match found.chains.get(chain) {
            None => findings.push(format!("chain {chain} is missing")),
            Some(rest) if rest.is_empty() && !rules.is_empty() => {
                findings.push(format!("chain {chain} was flushed"));
            }
            Some(other) if other != rules => {
                findings.push(format!("chain {chain} was edited: {}", edit(rules, other)));
            }
            Some(_) => {}
        }
    }
    for chain in found.chains.keys().filter(|chain| !wanted.chains.contains_key(*chain)) {
        findings.push(format!("chain {chain} is left over"));
    }
    findings
}

/// How the rules of a chain differ from the wanted ones.
fn edit(wanted: &[String], found: &[String]) -> String {
    /// How many rules are named.
    const MOST: usize = 3;
    let lacking = |of: &[String], among: &[String]| -> Vec<String> {
        of.iter().filter(|rule| !among.contains(rule)).cloned().collect()
    };
    let (missing, foreign) = (lacking(wanted, found), lacking(found, wanted));
    let named = missing.iter().map(|rule| format!("{} is missing", name(rule)));
    let foreign = foreign.iter().map(|rule| format!("`{rule}` was added"));
    let mut all: Vec<String> = named.chain(foreign).collect();
    if all.is_empty() {
        return "its rules are in another order, or doubled".to_owned();
    }
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    all.extend((more > 0).then(|| format!("and {more} more")));
    all.join(", ")
}

/// A rule by its port, or by its comment.
fn name(rule: &str) -> String {
    let comment =
        rule.split_once("--comment \"redisguard:").and_then(|(_, rest)| rest.split_once('"'));
    match (ports_of(rule), comment) {
        (Some((ports, false)), _) => format!("the rule for port {ports}"),
        (Some((ports, true)), _) => format!("the rule for probes of port {ports}"),
        (None, Some((comment, _))) => format!("the rule \"{comment}\""),
        (None, None) => format!("the rule `{rule}`"),
    }
}

fn jump_drift(wanted: &Table, found: &Table) -> Vec<String> {
    let mut findings = Vec::new();
    for jump in &wanted.jumps {
        let is_same = |found: &&Jump| found.chain == jump.chain && found.rule == jump.rule;
        let same: Vec<&Jump> = found.jumps.iter().filter(is_same).collect();
        let which = if jump.position == 1 { "the jump" } else { "the second jump" };
        let which = format!("{which} from {}", jump.chain);
        match same.as_slice() {
            [] => findings.push(format!("{which} is missing")),
            // One that has moved up, since one above it is missing, comes before no fewer rules.
            [only] if only.position <= jump.position => {}
            [only] => findings.push(format!(
                "{which} is at position {}, behind `{}`",
                only.position,
                only.behind.as_deref().unwrap_or_default()
            )),
            several => findings.push(format!("{which} is there {} times", several.len())),
        }
    }
    let foreign = |found: &&Jump| {
        !wanted.jumps.iter().any(|jump| jump.chain == found.chain && jump.rule == found.rule)
    };
    for jump in found.jumps.iter().filter(foreign) {
        findings.push(format!("{} has another jump into redisguard's chains", jump.chain));
    }
    findings
}
