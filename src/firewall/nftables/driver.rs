//! The nftables backend: one table for both families, replaced in one transaction.

use super::listing::Listing;
use super::names::{COUNTER_TABLE, INPUT_CHAIN, TABLE};
use super::netlink;
use super::nft::{read_script, refused, run};
use super::script::{REPLACE_TABLE, Script};
use crate::error::Error;
use crate::firewall::backend::RulesBackend;
use crate::firewall::dry_run_netns::DryRunNetns;
use crate::firewall::types::InstalledRules;
use crate::os::command;
use crate::plan::{RuleFault, Scope};

/// nftables of this host.
pub struct Nftables {
    /// `None` where there is nothing to load.
    wanted: Option<Script>,
}

impl Nftables {
    /// nftables with a bundle's rules to load, or without.
    pub fn new(wanted: Option<Script>) -> Self {
        Self { wanted }
    }

    /// Whether this host has the program.
    pub fn is_installed() -> bool {
        command::is_installed("nft")
    }

    /// Whether the kernel holds no table of redisguard's.
    pub fn is_bare() -> bool {
        netlink::is_absent(TABLE)
    }
}

/// redisguard's table, if there is one.
fn list() -> Result<Option<Listing>, Error> {
    const ACTION: &str = "list the nftables rules";
    // Mostly so at boot, and the kernel says it without a program being started.
    if netlink::is_absent(TABLE) {
        return Ok(None);
    }
    let output = run(&["list", "table", "inet", "redisguard"], ACTION, "")?;
    if output.is_success() {
        return Ok(Listing::read(&output.text()));
    }
    // It may have gone between the two questions.
    if netlink::is_absent(TABLE) { Ok(None) } else { Err(refused(ACTION, &output.stderr)) }
}

impl RulesBackend for Nftables {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn observe(&self) -> Result<InstalledRules, Error> {
        let table = list()?;
        let findings = match (&self.wanted, &table) {
            (None, _) => Vec::new(),
            (Some(script), Some(table)) => table.drift(&script.bundle, script.table().as_ref()),
            (Some(_), None) => vec![RuleFault::of_all("redisguard's rules are not loaded")],
        };
        let scope = Scope::Backend(self.name());
        Ok(InstalledRules {
            drift: findings.into_iter().map(|finding| (scope, finding)).collect(),
            present: table.is_some(),
            counters: table.as_ref().map(|table| table.counters.clone()).unwrap_or_default(),
            table,
            ..InstalledRules::default()
        })
    }

    fn counter_tables(&self) -> &'static [&'static str] {
        &[COUNTER_TABLE]
    }

    fn marker_chains(&self) -> Vec<(String, &'static str)> {
        vec![(TABLE.to_owned(), INPUT_CHAIN)]
    }

    fn detach(&self, _installed: &InstalledRules) -> Result<(), Error> {
        read_script(&[], "take the nftables rules away", &format!("flush table {TABLE}\n"))
    }

    fn check(&self, _installed: &InstalledRules, dry_run: &DryRunNetns) -> Result<(), Error> {
        const ACTION: &str = "check the nftables rules";
        let Some(script) = &self.wanted else { return Ok(()) };
        dry_run
            .run(|| read_script(&[], ACTION, script.fresh()))
            .unwrap_or_else(|| read_script(&["--check"], ACTION, &script.text))
    }

    fn load(&self, installed: &InstalledRules) -> Result<(), Error> {
        const ACTION: &str = "load the nftables rules";
        let Some(script) = &self.wanted else { return Ok(()) };
        let found = installed.table.as_ref();
        let keeping = found.and_then(|found| script.keeping_counters(found));
        // Where another program has changed the table meanwhile, the first script fails, and the table is
        // replaced as a whole: the guard comes before the counters. nft ends when the kernel has freed what
        // was deleted, be it an empty table. Then no packet is under way by the rules before, and only then
        // may another backend's rules go.
        if keeping.is_none_or(|script| read_script(&[], ACTION, &script).is_err()) {
            read_script(&[], ACTION, &script.text)?;
        }
        let action = "find the nftables rules as they were loaded";
        match list()? {
            Some(table) => read_script(&[], action, &table.sealed()),
            None => Err(Error::new(action, "the table is not there")
                .help("another program changes them at the same time; run it again")),
        }
    }

    fn restore(&self, before: &InstalledRules, now: &InstalledRules) -> Result<(), Error> {
        match &before.table {
            // A listing is a script, too.
            Some(before) => {
                // Its counters would be loaded with their values: those are in the totals already.
                let lines = before.text.lines();
                let lines = lines.filter(|line| !line.trim().starts_with("packets "));
                let table: String = lines.map(|line| format!("{line}\n")).collect();
                let emptied = now.table.as_ref().map(|found| found.emptied(before));
                let script = emptied.unwrap_or_else(|| REPLACE_TABLE.to_owned()) + &table;
                read_script(&[], "put the nftables rules back", &script)
            }
            None if now.present => self.unload(now),
            None => Ok(()),
        }
    }

    fn unload(&self, _installed: &InstalledRules) -> Result<(), Error> {
        read_script(&[], "take the nftables rules away", &format!("delete table {TABLE}\n"))
    }

    fn without_log(&self) -> Option<Box<dyn RulesBackend>> {
        let without_log = self.wanted.as_ref()?.without_log()?;
        Some(Box::new(Self::new(Some(without_log))))
    }
}
