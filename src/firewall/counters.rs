//! How much the rules stopped on each reserved port since the first bundle was applied. Runs nothing.
//!
//! A kernel counter goes with its rule: at a reload, a flush, a reboot. So the totals hold each counter
//! as it was last read, and what the counters held that are gone.
//!
//! Guarantees: each packet counts once, wherever a run is killed, provided that a run records and saves the
//! totals before it removes counters. What was counted between the last save and a crash, or a flush by
//! another program, is lost.

use super::kernel;
use super::types::InstalledRules;
use crate::family::Family;
use crate::plan::Counter;
use crate::spec::PortRange;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Packets and their bytes.
pub type Count = (u64, u64);
/// By `TABLE FAMILY PORTS`, which names one counter of the kernel's, or by `FAMILY PORTS`. The family of probes is
/// `probe-v4` or `probe-v6`: version 0.1 reads that as none, and does not count it.
type Counts = BTreeMap<String, Count>;

/// The totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "stored::Totals", into = "stored::Totals")]
pub struct CounterTotals {
    /// When counting began (RFC 3339); empty until then.
    since: String,
    /// The boot that `current` and `leaving` are of; empty where that is unknown.
    boot: String,
    /// What counters held that no longer exist, by `FAMILY PORTS`.
    gone: Counts,
    /// What the existing counters held when they were last read.
    current: Counts,
    /// The part of `current` whose counters are about to be removed.
    leaving: Counts,
}

/// How the families of probes begin.
const PROBES: &str = "probe-";

/// Totals that a change of the rules brings up to date, and where they are kept.
pub trait CounterStore {
    /// The totals.
    fn totals(&mut self) -> &mut CounterTotals;

    /// Saves them, where that is possible: the guard comes first, and a full disk must not stop it.
    fn save_if_possible(&mut self);
}

/// Totals that are not saved, for a rehearsal.
impl CounterStore for CounterTotals {
    fn totals(&mut self) -> &mut CounterTotals {
        self
    }

    fn save_if_possible(&mut self) {}
}

impl CounterTotals {
    /// Records what the counters of these tables hold now.
    pub fn record(&mut self, tables: &[&str], installed: &InstalledRules) {
        self.record_at(kernel::uncovered_boot_id().as_deref(), tables, installed);
    }

    /// Without a boot the counters show what happened: those that are gone, or hold less, began anew.
    fn record_at(&mut self, boot: Option<&str>, tables: &[&str], installed: &InstalledRules) {
        let was_read = |key: &String| tables.contains(&key.split(' ').next().unwrap_or_default());
        if let Some(boot) = boot.filter(|boot| self.boot != *boot) {
            if !self.boot.is_empty() {
                self.leaving.clear();
                for (key, count) in std::mem::take(&mut self.current) {
                    add(&mut self.gone, without_table(&key), count);
                }
            }
            boot.clone_into(&mut self.boot);
        }
        // A counter that was about to be removed and is not there has been removed. A new one may have
        // its name already: that one starts from 0, and is not the old one that has grown.
        let retired = by_key(&installed.retired);
        let leaving = std::mem::take(&mut self.leaving);
        for (key, count) in leaving {
            if !was_read(&key) {
                self.leaving.insert(key, count);
            } else if !retired.contains_key(&key) {
                add(&mut self.gone, without_table(&key), count);
                let current = self.current.entry(key).or_default();
                *current = (current.0.saturating_sub(count.0), current.1.saturating_sub(count.1));
            }
        }
        let now = by_key(&installed.counters);
        for (key, count) in std::mem::take(&mut self.current) {
            // One that holds less than before was zeroed, or is another one by the same name.
            let is_same = now.get(&key).is_some_and(|now| now.0 >= count.0 && now.1 >= count.1);
            if !was_read(&key) {
                self.current.insert(key, count);
            } else if !is_same {
                add(&mut self.gone, without_table(&key), count);
            }
        }
        self.current.extend(now.into_iter().filter(|(_, count)| *count != (0, 0)));
    }

    /// Notes that the counters of retired chains are about to be removed. Save before removing them.
    pub fn expect_removal(&mut self, installed: &InstalledRules) {
        self.leaving.extend(by_key(&installed.retired));
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.current.is_empty()
    }

    /// When counting began (RFC 3339), if it did.
    pub fn since(&self) -> Option<&str> {
        Some(self.since.as_str()).filter(|since| !since.is_empty())
    }

    /// Sets when counting began.
    pub fn begin(&mut self, since: String) {
        self.since = since;
    }

    /// All that was ever counted but probes, by port and family.
    pub fn totals(&self) -> BTreeMap<(PortRange, Family), Count> {
        self.totals_of("")
    }

    /// All probes that were ever counted.
    pub fn probe_totals(&self) -> BTreeMap<(PortRange, Family), Count> {
        self.totals_of(PROBES)
    }

    /// All that was counted by keys whose family begins with `prefix`.
    fn totals_of(&self, prefix: &str) -> BTreeMap<(PortRange, Family), Count> {
        let current = self.current.iter().map(|(key, count)| (without_table(key), *count));
        let gone = self.gone.iter().map(|(key, count)| (key.as_str(), *count));
        let mut totals = BTreeMap::new();
        for (key, count) in current.chain(gone) {
            let key = key.strip_prefix(prefix).and_then(|key| key.split_once(' '));
            let Some((family, ports)) = key else { continue };
            let family = Family::BOTH.into_iter().find(|known| known.short() == family);
            if let (Some(family), Ok(ports)) = (family, ports.parse()) {
                let total: &mut Count = totals.entry((ports, family)).or_default();
                *total = (total.0 + count.0, total.1 + count.1);
            }
        }
        totals
    }
}

/// `FAMILY PORTS` of `TABLE FAMILY PORTS`.
fn without_table(key: &str) -> &str {
    key.split_once(' ').map_or("", |(_, rest)| rest)
}

fn add(counts: &mut Counts, key: &str, (packets, bytes): Count) {
    if (packets, bytes) != (0, 0) {
        let count = counts.entry(key.to_owned()).or_default();
        *count = (count.0 + packets, count.1 + bytes);
    }
}

fn by_key(counters: &[(Family, Counter)]) -> Counts {
    let mut counts = Counts::new();
    for (family, Counter { table, ports, is_probe, packets, bytes }) in counters {
        let prefix = if *is_probe { PROBES } else { "" };
        let key = format!("{table} {prefix}{} {ports}", family.short());
        let count = counts.entry(key).or_default();
        *count = (count.0 + packets, count.1 + bytes);
    }
    counts
}

#[path = "stored_totals.rs"]
mod stored;

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
