//! The iptables backend: `iptables-save` to observe, `iptables-restore` to check and to load, in one
//! transaction for each table. The `iptables` crate deletes the jumps.

use super::chain_rotation::rename_transaction;
use super::programs::{HELP, check, load, save};
use super::ruleset::Ruleset;
use super::variant::Variant;
use super::{chains, tables};
use crate::error::Error;
use crate::family::Family;
use crate::firewall::backend::RulesBackend;
use crate::firewall::dry_run_netns::DryRunNetns;
use crate::firewall::nftables::netlink;
use crate::firewall::types::{InstalledRules, Rulesets};
use crate::os::command::{is_installed, one_line};
use crate::plan::Scope;
use std::thread;

/// From how many rules on `--test` against the installed rules is quicker than making them all in a
/// namespace, and again on the host.
const DRY_RUN_LIMIT: usize = 10_000;

/// iptables for every family that the kernel has.
pub struct Iptables {
    families: Vec<Family>,
    /// Those of them whose rules nf_tables holds.
    in_nf_tables: Vec<Family>,
    /// Both families' rules; empty where there are none to load.
    wanted: Rulesets,
}

impl Iptables {
    /// iptables of this host. A kernel without IPv6 needs no rules for it.
    pub fn new(wanted: Rulesets) -> Self {
        let families: Vec<Family> = tables::families().collect();
        let is_nft = |family: &Family| {
            Variant::of_program(&format!("{}-save", family.iptables())) == Some(Variant::Nft)
        };
        let in_nf_tables = families.iter().copied().filter(is_nft).collect();
        Self { families, in_nf_tables, wanted }
    }

    /// Whether this host has the programs.
    pub fn is_installed() -> bool {
        is_installed("iptables-restore")
    }

    /// Whether nf_tables holds all families' rules, and has no table yet for those that stop packets.
    pub fn is_bare(&self) -> bool {
        let mut filters = self.families.iter().map(|family| tables::filter_of(*family));
        self.is_in_nf_tables() && filters.all(|table| netlink::is_absent(&table))
    }

    fn is_in_nf_tables(&self) -> bool {
        self.in_nf_tables == self.families
    }

    /// Whether a family has no tables, so that its program would list nothing.
    fn has_no_tables(&self, family: Family) -> bool {
        self.in_nf_tables.contains(&family)
            && tables::of(family).all(|table| netlink::is_absent(&table))
    }

    /// Has `replace` turn each family's installed rules into the wanted ones.
    fn replace_each(
        &self,
        installed: &InstalledRules,
        replace: impl Fn(Family, &Ruleset, &Ruleset) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let replace_family = |family| {
            let both = self.wanted.get(&family).zip(installed.rulesets.get(&family));
            both.map_or(Ok(()), |(wanted, installed)| replace(family, wanted, installed))
        };
        in_parallel(&self.families, replace_family).map(drop)
    }

    /// Restores what was installed before a load that failed, maybe between two tables.
    fn undo(&self, before: &InstalledRules, error: Error) -> Error {
        match self.observe().and_then(|now| self.restore(before, &now)) {
            Ok(()) => error,
            Err(worse) => error.and(worse),
        }
    }
}

/// Runs one piece of work for each family, in parallel: most of it is waiting.
fn in_parallel<T: Send>(
    families: &[Family],
    work: impl Fn(Family) -> Result<T, Error> + Sync,
) -> Result<Vec<(Family, T)>, Error> {
    thread::scope(|scope| {
        let work = &work;
        let start = |&family: &Family| scope.spawn(move || Ok((family, work(family)?)));
        let running: Vec<_> = families.iter().map(start).collect();
        let lost = |_| Err(Error::new("run iptables", "its thread died"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    })
}

/// Replaces a family's installed rules. The chains that counted stay beside the new ones, retired.
fn replace(family: Family, wanted: &Ruleset, installed: &Ruleset) -> Result<(), Error> {
    let renames = wanted.retirements(installed);
    if renames.is_empty() {
        return load(family, &wanted.replacement(installed));
    }
    load(family, &rename_transaction(&renames))?;
    load(family, &wanted.replacement(&installed.renamed(&renames)))
}

impl RulesBackend for Iptables {
    fn name(&self) -> &'static str {
        "iptables"
    }

    fn observe(&self) -> Result<InstalledRules, Error> {
        let mut installed = InstalledRules::default();
        // Without tables, mostly at boot, no program is started.
        let list =
            |family| if self.has_no_tables(family) { Ok(String::new()) } else { save(family) };
        for (family, listing) in in_parallel(&self.families, list)? {
            let (ruleset, counters, retired) = Ruleset::listed(&listing);
            installed.retired.extend(retired.into_iter().map(|counter| (family, counter)));
            installed.counters.extend(counters.into_iter().map(|counter| (family, counter)));
            installed.present |= !ruleset.tables.is_empty();
            if let Some(wanted) = self.wanted.get(&family) {
                let findings = wanted.drift(&ruleset).into_iter();
                installed.drift.extend(findings.map(|finding| (Scope::Family(family), finding)));
            }
            installed.rulesets.insert(family, ruleset);
        }
        Ok(installed)
    }

    fn check(&self, installed: &InstalledRules, dry_run: &DryRunNetns) -> Result<(), Error> {
        let in_namespace = || {
            let none = Ruleset::default();
            self.replace_each(installed, |family, wanted, _| {
                check(family, &[], &wanted.transaction(&none))
            })
        };
        let uncommitted = || {
            self.replace_each(installed, |family, wanted, installed| {
                check(family, &["--test"], &wanted.transaction(installed))
            })
        };
        let rules: usize = self.wanted.values().map(Ruleset::rule_count).sum();
        let checked = if rules < DRY_RUN_LIMIT { dry_run.run(in_namespace) } else { None };
        checked.unwrap_or_else(uncommitted)
    }

    fn load(&self, installed: &InstalledRules) -> Result<(), Error> {
        self.replace_each(installed, replace).map_err(|error| self.undo(installed, error))
    }

    fn remove_retired(&self, installed: &InstalledRules) -> Result<(), Error> {
        self.replace_each(installed, |family, wanted, installed| {
            if installed.has_retired() {
                load(family, &wanted.transaction(installed))?;
            }
            Ok(())
        })
    }

    fn counter_tables(&self) -> &'static [&'static str] {
        &chains::TABLES
    }

    fn marker_chains(&self) -> Vec<(String, &'static str)> {
        if !self.is_in_nf_tables() {
            return Vec::new();
        }
        let chain = |family: &Family| (tables::filter_of(*family), chains::INPUT);
        self.families.iter().map(chain).collect()
    }

    fn restore(&self, before: &InstalledRules, now: &InstalledRules) -> Result<(), Error> {
        // Each family on its own: one that cannot be restored must not keep the other from it.
        let mut failed = Vec::new();
        for (family, before) in &before.rulesets {
            if let Some(now) = now.rulesets.get(family).filter(|now| *now != before) {
                failed.extend(load(*family, &before.transaction(now)).err());
            }
        }
        failed.into_iter().reduce(Error::and).map_or(Ok(()), Err)
    }

    fn detach(&self, installed: &InstalledRules) -> Result<(), Error> {
        for (family, ruleset) in &installed.rulesets {
            let tool = iptables::new(*family == Family::V6).map_err(|error| {
                Error::new(format!("run {}", family.iptables()), error).help(HELP)
            })?;
            for (name, table) in &ruleset.tables {
                for jump in &table.jumps {
                    tool.delete(name, &jump.chain, &jump.rule).map_err(|error| {
                        let what = format!("take away {} ({} {name})", jump.chain, family.name());
                        Error::new(what, one_line(&error.to_string()))
                    })?;
                }
            }
        }
        Ok(())
    }

    fn unload(&self, installed: &InstalledRules) -> Result<(), Error> {
        self.detach(installed)?;
        for (family, ruleset) in &installed.rulesets {
            // In one transaction: there may be hundreds of chains, which lead to each other.
            load(*family, &Ruleset::default().transaction(&ruleset.without_jumps()))?;
        }
        Ok(())
    }

    fn without_log(&self) -> Option<Box<dyn RulesBackend>> {
        let wanted: Rulesets =
            self.wanted.iter().map(|(family, wanted)| (*family, wanted.without_log())).collect();
        (wanted != self.wanted).then(|| Box::new(Self::new(wanted)) as Box<dyn RulesBackend>)
    }
}
