//! Owns what a family's rules are: our own chains and the jumps into them, as text in the form that
//! iptables-save prints, and the pure difference between two of them. Runs nothing.

use super::chain_rotation::is_retired;
use crate::plan::Counter;
use crate::spec::PortRange;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What our chains are called.
const PREFIX: &str = "REDISGUARD-";
/// The chain that writes to the kernel's log.
const LOGGED: &str = "REDISGUARD-LOGGED";

/// One table's part that is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Our chains, each with its rules behind `-A CHAIN `.
    pub chains: BTreeMap<String, Vec<String>>,
    /// The jumps into them from chains that are not ours.
    pub jumps: Vec<Jump>,
}

/// A rule of somebody else's chain that leads into ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The chain that it stands in.
    pub chain: String,
    /// Its place there, from 1.
    pub position: usize,
    /// The rule behind `-A CHAIN `.
    pub rule: String,
    /// The rule right before it, if there is one.
    pub behind: Option<String>,
}

/// One family's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// By the table's name.
    pub tables: BTreeMap<String, Table>,
}

/// Other chains as far as they were read: how many rules, and the last of them.
type Others = BTreeMap<String, (usize, String)>;

impl Table {
    /// Takes one line of a listing (iptables-save) or of a rules file. Lines of others are passed
    /// over, but counted in `others` for the jumps' positions.
    fn take(&mut self, line: &str, others: &mut Others) {
        let mut words = line.splitn(3, ' ');
        let (verb, chain) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = words.next().unwrap_or_default().trim();
        match verb {
            "-A" if chain.starts_with(PREFIX) => match self.chains.get_mut(chain) {
                Some(rules) => rules.push(rest.to_owned()),
                None => drop(self.chains.insert(chain.to_owned(), vec![rest.to_owned()])),
            },
            "-A" => {
                let (position, previous) = match others.get_mut(chain) {
                    Some(other) => other,
                    None => others.entry(chain.to_owned()).or_default(),
                };
                *position += 1;
                if leads_to_us(rest) {
                    let behind = (*position > 1).then(|| previous.clone());
                    let (chain, rule) = (chain.to_owned(), rest.to_owned());
                    self.jumps.push(Jump { chain, position: *position, rule, behind });
                }
                rest.clone_into(previous);
            }
            "-I" => {
                let (place, rule) = rest.split_once(' ').unwrap_or(("1", rest));
                let (chain, rule) = (chain.to_owned(), rule.trim().to_owned());
                let position = place.parse().unwrap_or(1);
                self.jumps.push(Jump { chain, position, rule, behind: None });
            }
            _ if verb.starts_with(':') && verb[1..].starts_with(PREFIX) => {
                self.chains.entry(verb[1..].to_owned()).or_default();
            }
            _ => {}
        }
    }
}

/// Whether a rule's target, which is always its end, is a chain of ours. A comment may hold the same
/// words, but ends with its quote.
fn leads_to_us(rule: &str) -> bool {
    let mut words = rule.rsplit(' ');
    let target = words.next().is_some_and(|word| word.starts_with(PREFIX) && !word.ends_with('"'));
    target && matches!(words.next(), Some("-j" | "-g"))
}

impl Ruleset {
    /// Reads a rules file of a bundle.
    ///
    /// # Errors
    /// Names the first line that our own rules never have.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ruleset = Self::default();
        let mut current: Option<&mut Table> = None;
        let mut others = Others::new();
        for (index, line) in text.lines().enumerate() {
            let stray = || format!("line {} does not belong into our rules: {line}", index + 1);
            match (line.as_bytes().first(), &mut current) {
                (None | Some(b'#'), _) => {}
                (Some(b'*'), None) => {
                    current = Some(ruleset.tables.entry(line[1..].to_owned()).or_default());
                }
                (Some(b'C'), Some(_)) if line == "COMMIT" => current = None,
                (Some(b':'), Some(table)) if line[1..].starts_with(PREFIX) => {
                    table.take(line, &mut others);
                }
                (Some(b'-'), Some(table)) => {
                    let chain = match line.split(' ').next() {
                        Some("-A") => line.split(' ').nth(1),
                        Some("-I") if leads_to_us(line) => line.rsplit(' ').next(),
                        _ => None,
                    };
                    if !chain.is_some_and(|chain| table.chains.contains_key(chain)) {
                        return Err(stray());
                    }
                    table.take(line, &mut others);
                }
                _ => return Err(stray()),
            }
        }
        if current.is_some() { Err("the last table has no COMMIT".to_owned()) } else { Ok(ruleset) }
    }

    /// Reads what is live, as `iptables-save --counters` lists it, with the counters of our rules that
    /// decide on a port: the filter table stops, and the nat table leads to the notice.
    /// Those of chains that nothing leads to any more are in the second list as well.
    pub fn listed(listing: &str) -> (Self, Vec<Counter>, Vec<Counter>) {
        let mut ruleset = Self::default();
        let (mut counters, mut retired) = (Vec::new(), Vec::new());
        let mut name = "";
        let mut found = Table::default();
        let mut others = Others::new();
        for line in listing.lines() {
            if let Some(table) = line.strip_prefix('*') {
                name = table;
            } else if line == "COMMIT" {
                others.clear();
                let found = std::mem::take(&mut found);
                if found != Table::default() {
                    ruleset.tables.insert(name.to_owned(), found);
                }
            } else {
                let (plain, counter) = without_counter(line);
                found.take(plain, &mut others);
                if let Some(counter) = counter.and_then(|counts| decided(name, plain, counts)) {
                    retired.extend(is_retired(&plain[3..]).then(|| counter.clone()));
                    counters.push(counter);
                }
            }
        }
        (ruleset, counters, retired)
    }

    /// The same chains, when the jumps into them are gone.
    pub fn without_jumps(&self) -> Self {
        let mut chains = self.clone();
        chains.tables.values_mut().for_each(|table| table.jumps.clear());
        chains
    }

    /// How many rules there are in its chains.
    pub fn length(&self) -> usize {
        let chains = self.tables.values().flat_map(|table| table.chains.values());
        chains.map(Vec::len).sum()
    }

    /// The same without the chain that writes to the kernel's log, and the rule that leads there.
    pub fn without_log(&self) -> Self {
        let mut mute = self.clone();
        for table in mute.tables.values_mut() {
            table.chains.remove(LOGGED);
            let leads_there = format!("-j {LOGGED}");
            let rules = table.chains.values_mut();
            rules.for_each(|rules| rules.retain(|rule| !rule.ends_with(&leads_there)));
        }
        mute
    }

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

    /// Everything in which `live` is not what `self` wants, in words; empty when it is.
    pub fn drift(&self, live: &Self) -> Vec<String> {
        let none = Table::default();
        let mut names: Vec<&String> = self.tables.keys().chain(live.tables.keys()).collect();
        names.sort_unstable();
        names.dedup();
        if live.tables.is_empty() && !self.tables.is_empty() {
            return vec!["no rules of ours are loaded".to_owned()];
        }
        if let (Some(wanted), Some(found)) = (self.bundle(), live.bundle())
            && wanted != found
        {
            return vec![format!("the rules are of bundle {found}")];
        }
        let mut findings = Vec::new();
        for name in names {
            let wanted = self.tables.get(name).unwrap_or(&none);
            let found = live.tables.get(name).unwrap_or(&none);
            chain_drift(name, wanted, found, &mut findings);
            jump_drift(name, wanted, found, &mut findings);
        }
        findings
    }

    /// The input of `iptables-restore --noflush` that turns `live` into `self` in one transaction
    /// per table: our chains refilled where they differ, every jump of ours taken out and put back at
    /// the top.
    pub fn transaction(&self, live: &Self) -> String {
        self.change(live, true)
    }

    /// The same, but a table in which chains are on their way out keeps them, so that their counters can
    /// be read, and all that they lead to.
    pub(in crate::firewall) fn switch(&self, live: &Self) -> String {
        self.change(live, false)
    }

    fn change(&self, live: &Self, ends: bool) -> String {
        let none = Table::default();
        let mut names: Vec<&String> = self.tables.keys().chain(live.tables.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut text = String::new();
        for name in names {
            let wanted = self.tables.get(name).unwrap_or(&none);
            let found = live.tables.get(name).unwrap_or(&none);
            table_transaction(name, wanted, found, ends, &mut text);
        }
        text
    }
}

fn chain_drift(table: &str, wanted: &Table, found: &Table, findings: &mut Vec<String>) {
    for (chain, rules) in &wanted.chains {
        match found.chains.get(chain) {
            None => findings.push(format!("{table}: chain {chain} is missing")),
            Some(live) if live.is_empty() && !rules.is_empty() => {
                findings.push(format!("{table}: chain {chain} was flushed"));
            }
            Some(live) if live != rules => {
                findings.push(format!("{table}: chain {chain} was edited"));
            }
            Some(_) => {}
        }
    }
    for chain in found.chains.keys().filter(|chain| !wanted.chains.contains_key(*chain)) {
        findings.push(format!("{table}: chain {chain} is left over"));
    }
}

fn jump_drift(table: &str, wanted: &Table, found: &Table, findings: &mut Vec<String>) {
    for jump in &wanted.jumps {
        let same = |live: &&Jump| live.chain == jump.chain && live.rule == jump.rule;
        let live: Vec<&Jump> = found.jumps.iter().filter(same).collect();
        let which = if jump.position == 1 { "the jump" } else { "the second jump" };
        let which = format!("{table}: {which} from {}", jump.chain);
        match live.as_slice() {
            [] => findings.push(format!("{which} is missing")),
            // One that moved up where another is missing is in nobody's shadow.
            [only] if only.position <= jump.position => {}
            [only] => findings.push(format!(
                "{which} stands at position {}, behind `{}`",
                only.position,
                only.behind.as_deref().unwrap_or_default()
            )),
            several => findings.push(format!("{which} stands {} times", several.len())),
        }
    }
    let foreign = |live: &&Jump| {
        !wanted.jumps.iter().any(|jump| jump.chain == live.chain && jump.rule == live.rule)
    };
    for jump in found.jumps.iter().filter(foreign) {
        findings.push(format!("{table}: {} has another jump into our chains", jump.chain));
    }
}

fn table_transaction(name: &str, wanted: &Table, found: &Table, ends: bool, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "*{name}");
    // What is as it should be keeps its counters.
    let refilled =
        || wanted.chains.iter().filter(|(chain, rules)| found.chains.get(*chain) != Some(*rules));
    for (chain, _) in refilled() {
        let _ = writeln!(text, ":{chain} - [0:0]");
    }
    for (chain, rules) in refilled() {
        for rule in rules {
            let _ = writeln!(text, "-A {chain} {rule}");
        }
    }
    for jump in &found.jumps {
        let _ = writeln!(text, "-D {} {}", jump.chain, jump.rule);
    }
    // From the last to the first, so that each comes before all that was there.
    for jump in wanted.jumps.iter().rev() {
        let _ = writeln!(text, "-I {} 1 {}", jump.chain, jump.rule);
    }
    let left_over = found.chains.keys().filter(|chain| !wanted.chains.contains_key(*chain));
    let goes = ends || !found.chains.keys().any(|chain| is_retired(chain));
    let left_over: Vec<&String> = left_over.filter(|_| goes).collect();
    for verb in ["-F", "-X"] {
        for chain in &left_over {
            let _ = writeln!(text, "{verb} {chain}");
        }
    }
    let _ = writeln!(text, "COMMIT");
}

/// A listed line without the `[PACKETS:BYTES]` before it, and those.
fn without_counter(line: &str) -> (&str, Option<(u64, u64)>) {
    let counted = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let Some((counts, plain)) = counted else { return (line, None) };
    let numbers = counts.split_once(':');
    let numbers =
        numbers.and_then(|(packets, bytes)| Some((packets.parse().ok()?, bytes.parse().ok()?)));
    (plain, numbers)
}

/// What a rule of ours that decides on a reserved port counted.
fn decided(table: &str, line: &str, (packets, bytes): (u64, u64)) -> Option<Counter> {
    let rule = line.strip_prefix("-A ").filter(|rule| rule.starts_with(PREFIX))?;
    let table = if table == "nat" { "nat" } else { "filter" };
    Some(Counter { table, ports: ports_of(rule)?, packets, bytes })
}

/// The reserved port that a rule of ours decides on: `"redisguard:PORTS:…"` is its comment.
pub(in crate::firewall) fn ports_of(rule: &str) -> Option<PortRange> {
    let (_, comment) = rule.split_once("--comment \"redisguard:")?;
    let (ports, _) = comment.split_once(':')?;
    ports.parse().ok()
}

#[cfg(test)]
#[path = "ruleset_tests.rs"]
mod tests;
