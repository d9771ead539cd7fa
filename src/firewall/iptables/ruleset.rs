//! One family's rules: redisguard's own chains and the jumps into them, as text in the form that
//! iptables-save prints. Runs nothing.

use super::chains::{LOG, PREFIX, TABLES, is_jump, is_retired, ports_of};
use crate::plan::Counter;
use std::collections::{BTreeMap, BTreeSet};

/// The part of a table that is redisguard's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its chains, each with its rules as they are behind `-A CHAIN `.
    pub chains: BTreeMap<String, Vec<String>>,
    /// The jumps into them from chains that are not redisguard's.
    pub jumps: Vec<Jump>,
}

/// A rule that leads from another chain into one of redisguard's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The chain that it is in.
    pub chain: String,
    /// Its position there, from 1.
    pub position: usize,
    /// The rule, as it is behind `-A CHAIN `.
    pub rule: String,
    /// The rule right before it.
    pub behind: Option<String>,
}

/// One family's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// By the table's name.
    pub tables: BTreeMap<String, Table>,
}

/// Of each other chain as far as it was read: how many rules it has, and the last of them.
type OtherChains = BTreeMap<String, (usize, String)>;

impl Table {
    /// Takes one line of a listing (iptables-save) or of a rules file. Rules of other chains are skipped,
    /// but counted in `others` for the positions of the jumps.
    fn take(&mut self, line: &str, others: &mut OtherChains) {
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
                if is_jump(rest) {
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

impl Ruleset {
    /// Reads a rules file of a bundle.
    ///
    /// # Errors
    /// Names the first line that redisguard's rules never have.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ruleset = Self::default();
        let mut current: Option<&mut Table> = None;
        let mut others = OtherChains::new();
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
                        Some("-I") if is_jump(line) => line.rsplit(' ').next(),
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

    /// Reads what is installed, as `iptables-save --counters` lists it, with the counters of the rules that
    /// decide on a port: those of mangle drop packets, those of filter reset them, those of nat redirect them.
    /// The counters of retired chains are in the second list as well.
    pub fn listed(listing: &str) -> (Self, Vec<Counter>, Vec<Counter>) {
        let mut ruleset = Self::default();
        let (mut counters, mut retired) = (Vec::new(), Vec::new());
        let mut name = "";
        let mut found = Table::default();
        let mut others = OtherChains::new();
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
                if let Some(counter) = counter.and_then(|counts| port_counter(name, plain, counts))
                {
                    retired.extend(is_retired(&plain[3..]).then(|| counter.clone()));
                    counters.push(counter);
                }
            }
        }
        (ruleset, counters, retired)
    }

    /// Every table of these rules and of the installed ones by its name, with what both have in it.
    pub(super) fn tables_beside<'a>(
        &'a self,
        installed: &'a Self,
    ) -> impl Iterator<Item = (&'a str, &'a Table, &'a Table)> {
        static NONE: Table = Table { chains: BTreeMap::new(), jumps: Vec::new() };
        let names: BTreeSet<&String> = self.tables.keys().chain(installed.tables.keys()).collect();
        let of = |ruleset: &'a Self, name| ruleset.tables.get(name).unwrap_or(&NONE);
        names.into_iter().map(move |name| (name.as_str(), of(self, name), of(installed, name)))
    }

    /// How many rules its chains have.
    pub fn rule_count(&self) -> usize {
        let chains = self.tables.values().flat_map(|table| table.chains.values());
        chains.map(Vec::len).sum()
    }

    /// The same without the chain that writes to the kernel's log, and the rule that leads there.
    pub fn without_log(&self) -> Self {
        let mut without_log = self.clone();
        for table in without_log.tables.values_mut() {
            table.chains.remove(LOG);
            let leads_there = format!("-j {LOG}");
            let rules = table.chains.values_mut();
            rules.for_each(|rules| rules.retain(|rule| !rule.ends_with(&leads_there)));
        }
        without_log
    }
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

/// The counter of a rule that decides on a reserved port.
fn port_counter(table: &str, line: &str, (packets, bytes): (u64, u64)) -> Option<Counter> {
    let rule = line.strip_prefix("-A ").filter(|rule| rule.starts_with(PREFIX))?;
    let table = TABLES.into_iter().find(|known| *known == table)?;
    let (ports, is_probe) = ports_of(rule)?;
    Some(Counter { table, ports, is_probe, packets, bytes })
}

#[cfg(test)]
#[path = "ruleset_tests.rs"]
mod tests;
