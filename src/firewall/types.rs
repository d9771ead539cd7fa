//! What the backends and their callers share: what the kernel holds of redisguard's rules.

use super::iptables::ruleset::Ruleset;
use super::nftables::listing::Listing;
use crate::error::Error;
use crate::family::Family;
use crate::plan::{Counter, RuleFault, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// The iptables rules of every family that the host has.
pub type Rulesets = BTreeMap<Family, Ruleset>;

/// The tables that existed under iptables' names before redisguard's rules were loaded first, as nft
/// names them: `ip filter`.
pub type Tables = BTreeSet<String>;

/// What the kernel holds of redisguard's rules, as one backend shows it.
#[derive(Clone, Debug, Default)]
pub struct InstalledRules {
    /// Every difference from the wanted rules; empty where there is none, or none are wanted.
    pub drift: Vec<(Scope, RuleFault)>,
    /// Whether any rule of redisguard's is there.
    pub present: bool,
    /// What the rules counted so far, by family.
    pub counters: Vec<(Family, Counter)>,
    /// Those of them whose chains are retired: nothing leads there any more.
    pub retired: Vec<(Family, Counter)>,
    /// redisguard's chains and jumps, where iptables loads them.
    pub(super) rulesets: Rulesets,
    /// Whether nft found iptables rules that iptables itself could not list.
    pub(super) by_nft: bool,
    /// redisguard's table, where nft loads it.
    pub(super) table: Option<Listing>,
}

impl InstalledRules {
    /// Refuses rules that are not as they were just loaded.
    ///
    /// # Errors
    /// Names the first difference.
    pub(super) fn ensure_no_drift(&self) -> Result<(), Error> {
        let Some((scope, finding)) = self.drift.first() else { return Ok(()) };
        let cause = format!("{}: {finding}", scope.name());
        Err(Error::new("find the rules as they were loaded", cause).help(
            "another program changes them at the same time, or this kernel does; run it again",
        ))
    }
}
