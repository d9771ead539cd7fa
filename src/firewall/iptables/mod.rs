//! Owns running iptables: `iptables-save` to look, `iptables-restore` to check and to load in one
//! transaction for each table, the `iptables` crate to take chains and jumps away.

mod chain_rotation;
pub(crate) mod ruleset;
pub(crate) mod variant;

use self::chain_rotation::renaming;
use self::variant::Variant;
use super::backend::{Backend, Live};
use super::dry_run_netns::apart;
use super::nftables::netlink;
use super::{Ruleset, Rulesets};
use crate::error::Error;
use crate::family::Family;
use crate::os::command;
use crate::plan::Scope;
use nix::unistd::geteuid;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::thread;

/// Seconds to wait for others that hold the xtables lock.
const WAIT: &str = "5";
/// The tables that our chains stand in.
const TABLES: [&str; 3] = ["filter", "mangle", "nat"];
/// From how many rules on it takes longer to make them twice than to have them taken back.
const MANY: usize = 10_000;
const CURE: &str = "install it (Debian: apt-get install iptables), or run as root if it is there";

/// iptables for every family that the host has.
pub struct Iptables {
    families: Vec<Family>,
    /// Both families' rules; empty where there are none to load.
    wanted: Rulesets,
}

impl Iptables {
    /// iptables of this host. A kernel without IPv6 needs no rules for it.
    pub fn new(wanted: Rulesets) -> Self {
        Self { families: families().collect(), wanted }
    }

    /// Whether this host has the programs.
    pub fn is_installed() -> bool {
        command::is_installed("iptables-restore")
    }

    fn for_each<T: Send>(
        &self,
        work: impl Fn(Family) -> Result<T, Error> + Sync,
    ) -> Result<Vec<(Family, T)>, Error> {
        side_by_side(&self.families, work)
    }

    /// A load failed, maybe between two tables: whatever is not as it was before is put back.
    fn go_back(&self, before: &Live, trouble: Error) -> Error {
        match self.look().and_then(|now| self.put_back(before, &now)) {
            Ok(()) => trouble,
            Err(worse) => trouble.and(worse),
        }
    }
}

/// Runs one piece of work for each family, side by side: most of it is waiting.
fn side_by_side<T: Send>(
    families: &[Family],
    work: impl Fn(Family) -> Result<T, Error> + Sync,
) -> Result<Vec<(Family, T)>, Error> {
    thread::scope(|scope| {
        let work = &work;
        let Some((last, others)) = families.split_last() else { return Ok(Vec::new()) };
        let running = others.iter().map(|family| (*family, scope.spawn(|| work(*family))));
        let running: Vec<_> = running.collect();
        let last = (*last, work(*last));
        let ended = running.into_iter().map(|(family, thread)| {
            let lost = |_| Err(Error::new("run iptables", "its thread died"));
            (family, thread.join().unwrap_or_else(lost))
        });
        ended.chain([last]).map(|(family, ended)| Ok((family, ended?))).collect()
    })
}

/// Whether the kernel has IPv6, switched on or not.
pub(super) fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

/// The families that the host has.
fn families() -> impl Iterator<Item = Family> {
    Family::BOTH.into_iter().filter(|family| *family == Family::V4 || has_ipv6())
}

fn load(family: Family, transaction: &str) -> Result<(), Error> {
    restore(family, "load", &[], transaction)
}

fn check(family: Family, more: &[&str], transaction: &str) -> Result<(), Error> {
    restore(family, "check", more, transaction)
}

fn restore(family: Family, verb: &str, more: &[&str], transaction: &str) -> Result<(), Error> {
    let program = format!("{}-restore", program(family));
    let what = format!("{verb} the {} rules", family.name());
    let mut command = Command::new(&program);
    command.args(["--noflush", "--wait", WAIT]).args(more);
    let said = command::run(&mut command, &what, transaction.as_bytes(), command::LIMIT)
        .map_err(|trouble| trouble.or_help(CURE))?;
    if said.success {
        return Ok(());
    }
    let cause = format!("{program} said: {}", command::one_line(&said.stderr));
    Err(Error::new(what, cause).help(cure_for(&said.stderr)))
}

/// Has the wanted rules take the place of the live ones. The chains that counted stay beside them.
fn switch(family: Family, wanted: &Ruleset, live: &Ruleset) -> Result<(), Error> {
    let renames = wanted.renames(live);
    if renames.is_empty() {
        return load(family, &wanted.switch(live));
    }
    load(family, &renaming(&renames))?;
    load(family, &wanted.switch(&live.renamed(&renames)))
}

/// Whether a family has no tables, so that its program has nothing to say.
fn is_bare(family: Family) -> bool {
    is_nft(family) && places_of(family).all(|table| netlink::is_absent(&table))
}

fn save(family: Family) -> Result<String, Error> {
    let program = family.save_command();
    let what = format!("list the {} rules", family.name());
    let failed = |cause: &str| Error::new(&what, cause).help(cure_for(cause));
    let mut command = Command::new(program);
    command.arg("--counters");
    let said = command::run(&mut command, &what, b"", command::LIMIT)
        .map_err(|trouble| trouble.or_help(CURE))?;
    if !said.success {
        return Err(failed(&format!("{program} said: {}", command::one_line(&said.stderr))));
    }
    // Legacy iptables shows nothing to those who may not look.
    if said.stdout.is_empty() && !geteuid().is_root() {
        return Err(failed("Permission denied"));
    }
    // A table of that name that nft made is passed over in a comment, and refused when rules are loaded.
    let taken = |line: &&str| {
        TABLES.iter().any(|table| line.starts_with(&format!("# Table `{table}' is incompatible")))
    };
    match said.stdout.lines().find(taken) {
        Some(line) => Err(failed(line.trim_start_matches("# "))),
        None => Ok(said.stdout),
    }
}

fn cure_for(said: &str) -> &'static str {
    if said.contains("ermission denied") {
        "run it as root"
    } else if said.contains("lock") {
        "another program holds the xtables lock; run it again"
    } else if said.contains("incompatible") {
        "the host's own rules are nft's: set backend = \"nftables\" in [firewall] and render again"
    } else {
        "the rules are as they were; the kernel may lack a module that is named above"
    }
}

fn program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

impl Backend for Iptables {
    fn look(&self) -> Result<Live, Error> {
        let mut live = Live::default();
        // Mostly so at boot.
        let (bare, filled): (Vec<_>, Vec<_>) =
            self.families.iter().copied().partition(|family| is_bare(*family));
        let bare = bare.into_iter().map(|family| (family, String::new()));
        for (family, listing) in side_by_side(&filled, save)?.into_iter().chain(bare) {
            let (ruleset, counters, retired) = Ruleset::listed(&listing);
            live.retired.extend(retired.into_iter().map(|counter| (family, counter)));
            live.counters.extend(counters.into_iter().map(|counter| (family, counter)));
            live.retires |= ruleset.is_retiring();
            live.guarded |= !ruleset.tables.is_empty();
            if let Some(wanted) = self.wanted.get(&family) {
                let findings = wanted.drift(&ruleset).into_iter();
                live.drift.extend(findings.map(|finding| (Scope::Family(family), finding)));
            }
            live.rulesets.insert(family, ruleset);
        }
        Ok(live)
    }

    fn test(&self, live: &Live) -> Result<(), Error> {
        let nothing = Ruleset::default();
        let made = |family| match self.wanted.get(&family) {
            Some(wanted) => check(family, &[], &wanted.transaction(&nothing)),
            None => Ok(()),
        };
        let taken_back = |family| match (self.wanted.get(&family), live.rulesets.get(&family)) {
            (Some(wanted), Some(live)) => check(family, &["--test"], &wanted.transaction(live)),
            _ => Ok(()),
        };
        let few = self.wanted.values().map(Ruleset::length).sum::<usize>() < MANY;
        let checked = few.then(|| apart(|| self.for_each(made))).flatten();
        checked.unwrap_or_else(|| self.for_each(taken_back)).map(drop)
    }

    fn load(&self, live: &Live) -> Result<(), Error> {
        let loaded =
            self.for_each(|family| match (self.wanted.get(&family), live.rulesets.get(&family)) {
                (Some(wanted), Some(live)) => switch(family, wanted, live),
                _ => Ok(()),
            });
        loaded.map(drop).map_err(|trouble| self.go_back(live, trouble))
    }

    fn retire(&self, live: &Live) -> Result<(), Error> {
        let retires = |family| live.rulesets.get(&family).filter(|live| live.is_retiring());
        self.for_each(|family| match (self.wanted.get(&family), retires(family)) {
            (Some(wanted), Some(live)) => load(family, &wanted.transaction(live)),
            _ => Ok(()),
        })
        .map(drop)
    }

    fn counts_in(&self) -> &'static [&'static str] {
        &["filter", "nat"]
    }

    fn put_back(&self, before: &Live, now: &Live) -> Result<(), Error> {
        let mut worse = Vec::new();
        for (family, before) in &before.rulesets {
            if let Some(now) = now.rulesets.get(family).filter(|now| *now != before) {
                worse.extend(load(*family, &before.transaction(now)).err());
            }
        }
        worse.into_iter().reduce(Error::and).map_or(Ok(()), Err)
    }

    fn stop(&self, live: &Live) -> Result<(), Error> {
        for (family, ruleset) in &live.rulesets {
            let tool = iptables::new(*family == Family::V6).map_err(|error| {
                Error::new(format!("run {}", program(*family)), error).help(CURE)
            })?;
            for (name, table) in &ruleset.tables {
                let failed = |chain: &str, error: Box<dyn std::error::Error>| {
                    let what = format!("take away {chain} ({} {name})", family.name());
                    Error::new(what, command::one_line(&error.to_string()))
                };
                for jump in &table.jumps {
                    tool.delete(name, &jump.chain, &jump.rule)
                        .map_err(|error| failed(&jump.chain, error))?;
                }
            }
        }
        Ok(())
    }

    fn unload(&self, live: &Live) -> Result<(), Error> {
        self.stop(live)?;
        for (family, ruleset) in &live.rulesets {
            // There may be hundreds of chains, which lead to each other.
            let rest = Ruleset::default().transaction(&ruleset.without_jumps());
            load(*family, &rest)?;
        }
        Ok(())
    }

    fn without_log(&self) -> Option<Box<dyn Backend>> {
        let wanted: Rulesets =
            self.wanted.iter().map(|(family, wanted)| (*family, wanted.without_log())).collect();
        (wanted != self.wanted).then(|| Box::new(Self::new(wanted)) as Box<dyn Backend>)
    }
}

/// The tables that stand in the places of iptables' own, whoever made them, as nft names them:
/// `ip filter`. `None` where nft cannot tell.
pub(super) fn tables() -> Option<BTreeSet<String>> {
    let listed = nft(&["list", "tables"])?;
    let named = listed.lines().filter_map(|line| line.strip_prefix("table ")).map(str::trim);
    let ours: BTreeSet<String> = places().collect();
    Some(named.filter(|name| ours.contains(*name)).map(str::to_owned).collect())
}

/// The tables that hold what stops packets, of each family that the host has: `ip filter`.
pub(super) fn filters() -> impl Iterator<Item = String> {
    families().filter_map(|family| places_of(family).next())
}

/// Whether nf_tables holds them.
pub(super) fn is_of_nft() -> bool {
    families().all(is_nft)
}

fn is_nft(family: Family) -> bool {
    Variant::named(family.save_command()) == Some(Variant::Nft)
}

fn places() -> impl Iterator<Item = String> {
    Family::BOTH.into_iter().flat_map(places_of)
}

fn places_of(family: Family) -> impl Iterator<Item = String> {
    let family = match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    };
    TABLES.iter().map(move |table| format!("{family} {table}"))
}

/// iptables on nf_tables makes a table for the first rule and never takes it away. One that was not
/// there before and holds nothing but its accepting chains is dropped, so that the listing is what it
/// was before us. Where nft is not installed it stays.
pub(super) fn drop_empty(before: &BTreeSet<String>) {
    places().filter(|table| !before.contains(table)).for_each(|table| drop_if_empty(&table));
}

fn drop_if_empty(table: &str) {
    let words = |verb| std::iter::once(verb).chain(["table"]).chain(table.split(' '));
    let Some(listing) = nft(&words("list").collect::<Vec<_>>()) else { return };
    let mut lines = listing.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let bare = |line: &str| {
        matches!(line, "" | "}")
            || (line.starts_with("table ") && line.ends_with('{'))
            || (line.starts_with("chain ") && line.ends_with('{'))
            || (line.starts_with("type ") && line.ends_with("policy accept;"))
    };
    // An empty chain of somebody's has no type.
    let count = |word: &str| listing.lines().filter(|line| line.trim().starts_with(word)).count();
    let base_chains_only = count("chain ") == count("type ");
    if !listing.is_empty() && base_chains_only && lines.all(bare) {
        let _ = nft(&words("delete").collect::<Vec<_>>());
    }
}

/// What nft said; `None` where it is not there, or failed.
fn nft(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("nft");
    let said = command::run(command.args(arguments), "ask nft", b"", command::LIMIT).ok()?;
    said.success.then_some(said.stdout)
}
