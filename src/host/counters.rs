//! Owns how much was stopped on each reserved port since the first bundle was applied: what the kernel's
//! counters show, and what those showed that are gone. Kept in a file, since counters go with their
//! rules: at a reload, a flush, a reboot.
//!
//! A counter is in the file as it was last seen, and added to what is gone when it is not there any more,
//! or lower: so each packet counts once, wherever a run is killed. Whoever takes counters away saves
//! before that. What was counted between the last save and a crash, or a flush by others, is lost.

use super::Host;
use super::receipt;
use super::receipt::Receipt;
use crate::error::Error;
use crate::family::Family;
use crate::files;
use crate::firewall::Live;
use crate::plan::Counter;
use crate::spec::PortRange;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The file.
pub const PATH: &str = "/var/lib/redisguard/counters.json";

/// Packets and their bytes.
type Count = (u64, u64);
/// By `TABLE FAMILY PORTS`, which names a counter of the kernel's.
type Counts = BTreeMap<String, Count>;

/// What was counted, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// When counting began (RFC 3339).
    since: String,
    /// The boot that the counters are of.
    boot: String,
    /// What counters counted that are gone, by `FAMILY PORTS`.
    gone: Counts,
    /// What those showed that were there.
    seen: Counts,
    /// The part of it that is about to be taken away.
    leaving: Counts,
    /// Whether this is the host's, and not a rehearsal's.
    #[serde(skip)]
    is_kept: bool,
}

impl Tally {
    /// What is in the file; nothing where there is none, or a damaged one.
    pub fn read() -> Self {
        let text = fs::read(PATH).unwrap_or_default();
        Self { is_kept: true, ..serde_json::from_slice(&text).unwrap_or_default() }
    }

    /// Takes in what the counters of these tables show now.
    pub fn take(&mut self, tables: &[&str], live: &Live) {
        self.take_at(&boot(), tables, live);
    }

    fn take_at(&mut self, boot: &str, tables: &[&str], live: &Live) {
        let looked_at = |key: &String| tables.contains(&key.split(' ').next().unwrap_or_default());
        if self.boot != boot {
            self.leaving.clear();
            for (key, count) in std::mem::take(&mut self.seen) {
                add(&mut self.gone, rest(&key), count);
            }
            boot.clone_into(&mut self.boot);
        }
        // What was about to go and is not there has gone.
        let retired = by_key(&live.retired);
        let leaving = std::mem::take(&mut self.leaving);
        for (key, count) in leaving {
            if !looked_at(&key) {
                self.leaving.insert(key, count);
            } else if !retired.contains_key(&key) {
                add(&mut self.gone, rest(&key), count);
                let seen = self.seen.entry(key).or_default();
                *seen = (seen.0.saturating_sub(count.0), seen.1.saturating_sub(count.1));
            }
        }
        let now = by_key(&live.counters);
        for (key, count) in std::mem::take(&mut self.seen) {
            let same = now.get(&key).is_some_and(|now| now.0 >= count.0 && now.1 >= count.1);
            if !looked_at(&key) {
                self.seen.insert(key, count);
            } else if !same {
                add(&mut self.gone, rest(&key), count);
            }
        }
        self.seen.extend(now.into_iter().filter(|(_, count)| *count != (0, 0)));
    }

    /// Says that the counters of rules that are no longer reached are about to be taken away.
    pub fn let_go(&mut self, live: &Live) {
        self.leaving.extend(by_key(&live.retired));
    }

    /// Writes the file if there is something new in it, and a place for it.
    ///
    /// # Errors
    /// What kept it from being written.
    pub fn save(&mut self) -> Result<(), Error> {
        let is_empty = self.gone.is_empty() && self.seen.is_empty();
        if is_empty || !self.is_kept || !Path::new(receipt::STATE).is_dir() || Self::read() == *self
        {
            return Ok(());
        }
        if self.since.is_empty() {
            let receipt = Host::at(Path::new("/")).and_then(|host| Receipt::read(&host));
            let applied = receipt.ok().flatten().map(|receipt| receipt.applied);
            let now = || jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            self.since = applied.filter(|applied| !applied.is_empty()).unwrap_or_else(now);
        }
        let failed = |error| Error::new(format!("write {PATH}"), error);
        let mut bytes = serde_json::to_vec(self).map_err(failed)?;
        bytes.push(b'\n');
        files::replace(Path::new(PATH), &bytes, receipt::MODE).map(drop)
    }

    /// The same where the guard comes first: on a full disk it stands without.
    pub fn save_if_possible(&mut self) {
        let _ = self.save();
    }

    /// When counting began, if anything was counted.
    pub fn since(&self) -> Option<&str> {
        Some(self.since.as_str()).filter(|since| !since.is_empty())
    }

    /// All that was ever counted, by port and family.
    pub fn totals(&self) -> BTreeMap<(PortRange, Family), Count> {
        let seen = self.seen.iter().map(|(key, count)| (rest(key), *count));
        let gone = self.gone.iter().map(|(key, count)| (key.as_str(), *count));
        let mut totals = BTreeMap::new();
        for (key, count) in seen.chain(gone) {
            let Some((family, ports)) = key.split_once(' ') else { continue };
            let family = Family::BOTH.into_iter().find(|known| known.short() == family);
            if let (Some(family), Ok(ports)) = (family, ports.parse()) {
                let total: &mut Count = totals.entry((ports, family)).or_default();
                *total = (total.0 + count.0, total.1 + count.1);
            }
        }
        totals
    }
}

/// A counter's key without its table.
fn rest(key: &str) -> &str {
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
    for (family, Counter { table, ports, packets, bytes }) in counters {
        let count = counts.entry(format!("{table} {} {ports}", family.short())).or_default();
        *count = (count.0 + packets, count.1 + bytes);
    }
    counts
}

/// This boot's name (random(4)); nothing where the kernel does not say.
fn boot() -> String {
    let id = fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id"));
    id.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
