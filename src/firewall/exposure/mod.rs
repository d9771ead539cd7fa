//! Whether outsiders reach reserved ports, whatever has happened to redisguard's rules: an outsider's packet is
//! followed through the rules that are loaded now.
//!
//! Guarantees: what cannot be known is said to be unknown, and never to be closed.
//!
//! Never: changes anything.

mod nft;
mod saved;
mod walk;

use self::walk::{BaseChains, Level, Packet, Stoppers, arrival};
use super::iptables::variant::Variant;
use super::kernel;
use super::nftables::names::TABLE;
use super::nftables::{self, netlink};
use crate::bundle::GuardConfig;
use crate::family::Family;
use crate::os::command::{Output, Program, is_installed};
use crate::spec::{PortRange, PortSet};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Of which reserved ports outsiders may get through, by family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Ports that nothing keeps outsiders from.
    pub open: BTreeMap<Family, PortSet>,
    /// Ports that redisguard's rules do not keep them from, or not for sure; other rules may.
    pub unknown: BTreeMap<Family, PortSet>,
}

impl Exposure {
    /// Whether redisguard's rules keep outsiders from all ports.
    pub fn is_closed(&self) -> bool {
        self.open.is_empty() && self.unknown.is_empty()
    }
}

/// What is loaded now.
struct Loaded {
    /// The tables of each variant of iptables, by family.
    iptables: BTreeMap<Family, Vec<BTreeMap<String, saved::Table>>>,
    own: BTreeMap<String, nft::Table>,
    others: BTreeMap<String, nft::Table>,
    /// Whether something could not be listed.
    is_incomplete: bool,
}

/// What an outsider meets at the reserved ports now.
pub fn exposure(guard_config: &GuardConfig) -> Exposure {
    let loaded = Loaded::read();
    let mut exposure = Exposure::default();
    for family in Family::BOTH {
        if family == Family::V6 && !kernel::has_ipv6() {
            continue;
        }
        let chains = loaded.chains(family);
        let ports = guard_config.reserved.iter().flat_map(|reserved| sampled(reserved.ports));
        let levels: Vec<(PortRange, Level)> = ports
            .map(|(ports, port)| {
                let packet = Packet {
                    family,
                    reserved: port,
                    port: Some(port),
                    hops: None,
                    unsure_hops: false,
                    listener: guard_config.notice,
                    allow: &guard_config.allow,
                };
                (ports, reached(&chains, &packet, loaded.is_incomplete))
            })
            .collect();
        let of = |wanted: Level| -> PortSet {
            let found = levels.iter().filter(|(_, level)| *level == wanted);
            found.map(|(ports, _)| *ports).collect()
        };
        let (open, unknown) = (of(Level::Sure), of(Level::Perhaps));
        exposure.open.extend((!open.is_empty()).then_some((family, open)));
        exposure.unknown.extend((!unknown.is_empty()).then_some((family, unknown)));
    }
    exposure
}

/// The ports of a reservation, each by itself; of a wide range the range as a whole, by some of its ports.
fn sampled(ports: PortRange) -> impl Iterator<Item = (PortRange, u16)> {
    const MOST: u16 = 256;
    let width = ports.last() - ports.first();
    let step = usize::from((width / MOST).max(1));
    let last = (step > 1).then_some(ports.last());
    let some = ports.ports().step_by(step).chain(last);
    some.map(move |port| (if step > 1 { ports } else { port.into() }, port))
}

/// Whether outsiders get through at a port: for sure only where no rule of anybody stops them. What rules of others
/// stop today is open tomorrow, when their owner loads other ones, so that it is no guard.
fn reached(chains: &BaseChains, packet: &Packet, is_incomplete: bool) -> Level {
    match arrival(chains, packet, Stoppers::Own) {
        Level::No => Level::No,
        _ if is_incomplete => Level::Perhaps,
        _ => match arrival(chains, packet, Stoppers::All) {
            Level::Sure => Level::Sure,
            _ => Level::Perhaps,
        },
    }
}

impl Loaded {
    fn read() -> Self {
        let mut loaded = Self {
            iptables: BTreeMap::new(),
            own: BTreeMap::new(),
            others: BTreeMap::new(),
            is_incomplete: false,
        };
        let mut listed = BTreeSet::from([TABLE.to_owned()]);
        for family in Family::BOTH {
            for variant in [Variant::Nft, Variant::Legacy] {
                let Some(saved) = saved_by(variant, family) else { continue };
                let tables = saved::tables(&saved);
                if variant == Variant::Nft {
                    let name = |table: &String| format!("{} {table}", family.kernel_name());
                    listed.extend(tables.keys().map(name));
                }
                loaded.iptables.entry(family).or_default().push(tables);
            }
            // A variant whose program is missing lists nothing.
            loaded.is_incomplete |=
                Variant::Legacy.may_hold(family) && saved_by(Variant::Legacy, family).is_none();
        }
        if !netlink::is_absent(TABLE) {
            match list(&["--json", "list", "table", "inet", "redisguard"]) {
                Some(listing) => loaded.own = nft::tables(&listing, true, &BTreeSet::new()),
                None => loaded.is_incomplete = true,
            }
        }
        // Sets may have very many elements: those of others are not asked for.
        match list(&["--json", "--terse", "list", "ruleset"]) {
            Some(listing) => loaded.others = nft::tables(&listing, false, &listed),
            // Where nft is not installed, hardly anything has made such tables.
            None => loaded.is_incomplete |= is_installed("nft"),
        }
        loaded
    }

    /// All base chains that packets of a family meet, in their order.
    fn chains(&self, family: Family) -> BaseChains<'_> {
        let mut chains = BaseChains::new();
        for tables in self.iptables.get(&family).into_iter().flatten() {
            saved::add_base_chains(tables, &mut chains);
        }
        nft::add_base_chains(&self.own, family, &mut chains);
        nft::add_base_chains(&self.others, family, &mut chains);
        chains.sort_by_key(|(_, priority, _)| *priority);
        chains
    }
}

/// What nft lists; `None` where it cannot.
fn list(arguments: &[&str]) -> Option<Value> {
    let output = nftables::nft::run(arguments, "list the nftables rules", "").ok()?;
    let output = output.is_success().then_some(output)?;
    serde_json::from_slice(&output.stdout).ok()
}

/// What a variant's iptables-save lists of a family; `None` where it cannot, or there is nothing.
fn saved_by(variant: Variant, family: Family) -> Option<String> {
    if !variant.may_hold(family) {
        return None;
    }
    let plain = (Variant::selected() == Some(variant)).then(|| family.iptables());
    let mut programs = [Some(variant.program(family)), plain].into_iter().flatten();
    programs.find_map(|program| {
        let output = Program::new(format!("{program}-save")).run("list the rules").ok();
        output.filter(Output::is_success).map(Output::text)
    })
}

/// The flowtables of all programs, in words: they forward packets of known connections before any rule.
pub fn flowtables() -> BTreeSet<String> {
    let listing = is_installed("nft").then(|| list(&["--json", "list", "flowtables"])).flatten();
    named_flowtables(&listing.unwrap_or_default())
}

fn named_flowtables(listing: &Value) -> BTreeSet<String> {
    let objects = listing["nftables"].as_array().into_iter().flatten();
    let named = objects.filter_map(|object| {
        let of = |key: &str| object["flowtable"][key].as_str();
        Some(format!("the flowtable {} of table {} {}", of("name")?, of("family")?, of("table")?))
    });
    named.collect()
}

#[cfg(test)]
mod tests;
