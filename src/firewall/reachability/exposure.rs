//! Whether outsiders reach reserved ports, whatever has happened to redisguard's rules: an outsider's packet is
//! followed through the rules that are loaded now.
//!
//! An outsider has an address and an interface that no rule names; one that a rule names may exist. What else a
//! rule asks for and nobody can know (a mark, a set) may hold or not.
//!
//! Guarantees: what cannot be known is said to be unknown, and never to be closed.
//!
//! Never: changes anything.

use super::arrival::{Level, arrival};
use super::condition::{Condition, Value, number_of};
use super::outsiders::{asked, is_port};
use super::packet::Way;
use super::read::read;
use super::rule::OwnRules;
use crate::bundle::GuardConfig;
use crate::family::Family;
use crate::firewall::kernel;
use crate::spec::{PortRange, PortSet};
use std::collections::BTreeMap;

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

/// What an outsider meets at the reserved ports now.
pub fn exposure(guard_config: &GuardConfig) -> Exposure {
    let (ruleset, unread) = read(OwnRules::AsLoaded);
    let conditions: Vec<&Condition> = ruleset.conditions().collect();
    let mut exposure = Exposure::default();
    for family in Family::BOTH {
        if family == Family::V6 && !kernel::has_ipv6() {
            continue;
        }
        let (mut open, mut unknown) = (Vec::new(), Vec::new());
        // Rules treat most ports alike.
        let mut known = BTreeMap::new();
        for (ports, port) in guard_config.reserved.iter().flat_map(|of| sampled(of.ports)) {
            let alike = asked(&conditions, is_port, &Value::Number(port.into()));
            let translated = ruleset.leads_to(port).then_some(port);
            let level = known
                .entry((alike, translated))
                .or_insert_with(|| arrival(&ruleset, &way(guard_config, family, port)));
            match *level {
                Level::No => {}
                Level::Sure if unread.is_none() => open.push(ports),
                _ => unknown.push(ports),
            }
        }
        for (of, found) in [(&mut exposure.open, open), (&mut exposure.unknown, unknown)] {
            of.extend((!found.is_empty()).then(|| (family, found.into_iter().collect())));
        }
    }
    exposure
}

/// Of any outsider to a reserved port.
fn way(guard_config: &GuardConfig, family: Family, port: u16) -> Way {
    let allowed = guard_config.allow.iter().filter(|of| Family::of(of.addr()) == family);
    let insiders = allowed.map(|of| (number_of(of.network()), number_of(of.broadcast())));
    Way::of_any(family, insiders.collect(), port, guard_config.notice)
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

#[cfg(test)]
#[path = "exposure_tests.rs"]
mod tests;
