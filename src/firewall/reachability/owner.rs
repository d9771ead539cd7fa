//! What loads a table in which clients are stopped: the fix must be worded for that.

use super::rule::{Action, Base, Chain, Hook, Lister, Ruleset, Step};
use super::walk::{Obstruction, Seen};
use crate::family::Family;
use crate::firewall::iptables::variant::Variant;
use crate::os::command::is_installed;

/// What loads a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Firewalld,
    Ufw,
    /// iptables of this variant. A rule that nft adds there may keep iptables from listing it.
    Iptables(Variant),
    /// nft: nftables.service, or a program of its own.
    Nft,
}

/// A base chain that stops redirected clients of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) owner: Owner,
    /// The table as nft names it: `inet filter`.
    pub(super) table: String,
    /// The base chain.
    pub(super) chain: String,
    pub(super) family: Family,
    /// The packet that is stopped.
    pub(super) seen: Seen,
    /// How many of redisguard's jumps come first in the chain.
    pub(super) own_jumps: usize,
}

impl Stop {
    pub(super) fn of(obstruction: &Obstruction, family: Family, ruleset: &Ruleset) -> Self {
        let Obstruction { place, seen } = obstruction;
        let base = &ruleset.chains[place.base];
        let inner = &ruleset.chains[place.chain];
        let own_jumps = if matches!(base.lister, Lister::Iptables(_)) { base.own_jumps } else { 0 };
        Self {
            owner: owner(base, inner, place.rule.is_none(), *seen, ruleset),
            table: base.table.clone(),
            chain: base.name.clone(),
            family,
            seen: *seen,
            own_jumps,
        }
    }
}

fn owner(base: &Chain, inner: &Chain, by_policy: bool, seen: Seen, ruleset: &Ruleset) -> Owner {
    // Neither program's own words open what is not a port of this host.
    let is_port = seen == Seen::ToListener;
    let at_input = matches!(base.base, Some(Base { hook: Hook::Input, .. })) && is_port;
    let Lister::Iptables(variant) = base.lister else {
        let is_firewalld = at_input && base.table.ends_with(" firewalld");
        return if is_firewalld { Owner::Firewalld } else { Owner::Nft };
    };
    let is_filter = at_input && base.table.ends_with(" filter");
    // Chains as firewalld makes them with FirewallBackend=iptables (ipXtables.py), and ufw (ufw-init-functions).
    let leads_into = |name: &str| {
        let steps = base.rules.iter().flat_map(|rule| &rule.steps);
        let mut jumps = steps.filter_map(|step| match step {
            Step::Do(Action::Jump(to) | Action::Goto(to)) => Some(*to),
            _ => None,
        });
        jumps.any(|to| ruleset.chains[to].name == name)
    };
    let is_ufw = match by_policy {
        false => inner.name.starts_with("ufw"),
        true => ["ufw-before-input", "ufw6-before-input"].into_iter().any(leads_into),
    };
    if is_filter && is_ufw && is_installed("ufw") {
        Owner::Ufw
    } else if is_filter && leads_into("INPUT_ZONES") && is_installed("firewall-cmd") {
        Owner::Firewalld
    } else {
        Owner::Iptables(variant)
    }
}
