//! Whether outsiders are told, over all ways in which they come, and in words.

use super::fix;
use super::links::Links;
use super::outsiders::{named_sources, ways};
use super::owner::Stop;
use super::packet::Way;
use super::rule::{Lister, Ruleset};
use super::walk::{Fate, Obstruction, Place, Seen, fate};
use crate::bundle::GuardConfig;
use crate::family::Family;
use crate::firewall::iptables::variant::Variant;
use crate::firewall::nftables::nft;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether outsiders at redirected ports are told. Each text may have more lines, those of the fix among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// All are, or no port is redirected.
    Told,
    /// None is: what stops them, and the fix.
    NotTold(String),
    /// Some are: what stops the others, who is told, and the fix.
    Some(String),
    /// What decides, and how to find out.
    Unknown(String),
}

impl Told {
    /// What there is to say; `None` where all are told.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Told => None,
            Self::NotTold(detail) | Self::Some(detail) | Self::Unknown(detail) => Some(detail),
        }
    }
}

/// Follows outsiders on every way.
pub(super) fn of(
    ruleset: &Ruleset,
    guard_config: &GuardConfig,
    links: &Links,
    families: &[Family],
    queues: &[u16],
) -> Told {
    let ways = ways(ruleset, guard_config, links, families);
    let fates: Vec<(&Way, Fate)> =
        ways.iter().map(|way| (way, fate(ruleset, way, queues))).collect();
    let mut stopped: Vec<(&Way, &Obstruction)> = Vec::new();
    let mut told: Vec<&Way> = Vec::new();
    let mut unknown: Option<(String, &Way)> = None;
    for (way, fate) in &fates {
        match fate {
            Fate::Known(found) if found.is_empty() => match links.program_on(&way.interface) {
                Some(program) => {
                    let what = format!("{program} on {}", way.interface);
                    unknown.get_or_insert((what, way));
                }
                None => told.push(way),
            },
            Fate::Known(found) => stopped.extend(found.iter().map(|found| (*way, found))),
            Fate::Unknown(place) => {
                unknown.get_or_insert_with(|| (described(place, ruleset), way));
            }
        }
    }
    if stopped.is_empty() {
        return unknown.map_or(Told::Told, |(what, way)| Told::Unknown(unjudged(&what, way)));
    }
    let is_stopped = |way: &Way| stopped.iter().any(|(of, _)| *of == way);
    let sources =
        told_sources(ruleset, guard_config, ways.iter().filter(|way| is_stopped(way)), queues);
    let detail = |who: &str| {
        let stops = stops(&stopped, ruleset);
        format!(
            "{who} stopped before they are told, by {}; the fix lets their connections through to the notice, and \
             nothing else",
            places(&stopped, ruleset)
        ) + &fix::lines(&stops, guard_config)
    };
    if told.is_empty() && sources.is_empty() && unknown.is_none() {
        return Told::NotTold(detail("outsiders are"));
    }
    let mut text = detail("some outsiders are");
    let mut who: Vec<String> = sources.into_iter().map(|source| format!("from {source}")).collect();
    who.extend(distinguished(&told, &stopped.iter().map(|(way, _)| *way).collect::<Vec<_>>()));
    if !who.is_empty() {
        let line = format!("\noutsiders are told: {}", who.join(", "));
        text.push_str(&line);
    }
    if let Some((what, way)) = unknown {
        text.push('\n');
        text.push_str(&unjudged(&what, way));
    }
    Told::Some(text)
}

/// What decides and cannot be judged, and how to find out.
fn unjudged(what: &str, way: &Way) -> String {
    let address = match (way.family, u32::try_from(way.host)) {
        (Family::V4, Ok(address)) => Ipv4Addr::from(address).to_string(),
        _ => Ipv6Addr::from(way.host).to_string(),
    };
    format!(
        "could not judge whether outsiders are told: {what} decides; test from another host with: \
         redisguard-install probe {address}"
    )
}

/// Sources that rules name and that are told although others are not.
fn told_sources<'a>(
    ruleset: &Ruleset,
    guard_config: &GuardConfig,
    ways: impl Iterator<Item = &'a Way>,
    queues: &[u16],
) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for way in ways {
        for (client, name) in named_sources(ruleset, guard_config, way.family) {
            if !told.contains(&name) {
                let way = Way { client, ..way.clone() };
                if fate(ruleset, &way, queues) == Fate::Known(Vec::new()) {
                    told.insert(name);
                }
            }
        }
    }
    told
}

/// Who is told, by what tells them from those that are stopped.
fn distinguished(told: &[&Way], stopped: &[&Way]) -> Vec<String> {
    let mut who = BTreeSet::new();
    for way in told {
        let alike = |same: fn(&Way, &Way) -> bool| stopped.iter().any(|other| same(way, other));
        let mut parts = Vec::new();
        if !alike(|one, other| one.family == other.family) {
            parts.push(format!("over {}", way.family.name()));
        }
        if !alike(|one, other| one.interface == other.interface) {
            parts.push(format!("on {}", way.interface));
        }
        if !alike(|one, other| one.port == other.port) {
            parts.push(format!("at port {}", way.port));
        }
        if parts.is_empty() {
            parts.push(format!(
                "over {} on {} at port {}",
                way.family.name(),
                way.interface,
                way.port
            ));
        }
        who.insert(parts.join(" "));
    }
    who.into_iter().collect()
}

/// One stop for each base chain, family and kind of packet.
fn stops(stopped: &[(&Way, &Obstruction)], ruleset: &Ruleset) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    for (way, found) in stopped {
        let stop = Stop::of(found, way.family, ruleset);
        let is_known = stops.iter().any(|known| {
            (&known.table, &known.chain, known.family, known.seen, known.owner)
                == (&stop.table, &stop.chain, stop.family, stop.seen, stop.owner)
        });
        if !is_known {
            stops.push(stop);
        }
    }
    stops
}

/// The places in words, each with the families that are stopped there.
fn places(stopped: &[(&Way, &Obstruction)], ruleset: &Ruleset) -> String {
    let mut places = BTreeMap::<String, BTreeSet<Family>>::new();
    for (way, Obstruction { place, seen }) in stopped {
        let mut text = described(place, ruleset);
        if *seen == Seen::Discovery {
            text.push_str(", which stops neighbour discovery");
        }
        places.entry(text).or_default().insert(way.family);
    }
    let places = places.iter().map(|(place, families)| {
        let families: Vec<&str> = families.iter().map(|family| family.name()).collect();
        format!("{place} ({})", families.join(", "))
    });
    places.collect::<Vec<_>>().join("; ")
}

/// A rule or a policy with its table and chain.
fn described(place: &Place, ruleset: &Ruleset) -> String {
    let chain = &ruleset.chains[place.chain];
    let variant = match chain.lister {
        Lister::Iptables(Variant::Legacy) => "iptables-legacy, ",
        _ => "",
    };
    let at = format!("{variant}table {}, chain {}", chain.table, chain.name);
    let rule = place.rule.map(|rule| &chain.rules[rule]);
    let text = rule.map(|rule| match chain.lister {
        Lister::Nft => {
            let listed = nft::listed_chain(&chain.table, &chain.name).unwrap_or_default();
            let end = format!(" # handle {}", rule.handle);
            let mut lines = listed.lines().map(str::trim);
            lines.find_map(|line| line.strip_suffix(&end)).unwrap_or_default().to_owned()
        }
        _ => rule.text.clone(),
    });
    match text {
        Some(text) if !text.is_empty() => format!("{at}, rule `{text}`"),
        _ => at,
    }
}
