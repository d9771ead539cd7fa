//! From where outsiders come, as far as the rules tell them apart: interfaces, addresses of this host, ports, and
//! sources that rules name. Changes nothing.

use super::condition::{Condition, Field, Holds, Value, Wanted, number_of};
use super::links::Links;
use super::packet::Way;
use super::rule::Ruleset;
use crate::bundle::GuardConfig;
use crate::family::Family;
use crate::spec::{External, PortRange};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The interface and the address of a host that has none: no rule names them.
const UNNAMED: &str = "(unnamed)";
/// How many sources that rules name are tried, and how many of one condition.
const MOST_SOURCES: usize = 24;
const MOST_OF_CONDITION: usize = 3;

/// Where outsiders' packets arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrival {
    interface: String,
    address: IpAddr,
    discovers: bool,
}

/// Every way in which outsiders can come, one for all that the rules treat alike. Their source is one that no rule
/// names.
pub(super) fn ways(
    ruleset: &Ruleset,
    guard_config: &GuardConfig,
    links: &Links,
    families: &[Family],
) -> Vec<Way> {
    let conditions: Vec<&Condition> = ruleset.conditions().collect();
    let redirected = redirected(guard_config);
    let ports = distinct(candidate_ports(&conditions, &redirected), |port| {
        let value = Value::Number((*port).into());
        asked(&conditions, is_port, &value)
    });
    let arrivals = arrivals(links);
    let mut ways = Vec::new();
    for family in families {
        let of_family = arrivals.iter().filter(|at| Family::of(at.address) == *family).cloned();
        let mut of_family: Vec<Arrival> = of_family.collect();
        if arrivals.is_empty() {
            let address: IpAddr = match family {
                Family::V4 => Ipv4Addr::new(192, 0, 2, 1).into(),
                Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
            };
            of_family.push(Arrival { interface: UNNAMED.to_owned(), address, discovers: false });
        }
        let of_family = distinct(of_family, |at| {
            let interface = asked(&conditions, is_interface, &Value::Text(at.interface.clone()));
            let address = asked(&conditions, is_address, &Value::Number(number_of(at.address)));
            // What else is asked of each.
            (
                interface,
                address,
                at.discovers,
                links.is_bridge(&at.interface),
                links.program_on(&at.interface),
            )
        });
        for Arrival { interface, address, discovers } in of_family {
            ways.extend(ports.iter().map(|port| Way {
                family: *family,
                is_bridge: links.is_bridge(&interface),
                interface: interface.clone(),
                discovers,
                client: unnamed_source(*family, &conditions, guard_config),
                host: number_of(address),
                port: *port,
                listener: guard_config.notice,
            }));
        }
    }
    ways
}

/// The ports whose clients are redirected.
pub(super) fn redirected(guard_config: &GuardConfig) -> Vec<PortRange> {
    let reserved = guard_config.reserved.iter();
    reserved.filter(|of| of.external == External::Notice).map(|of| of.ports).collect()
}

/// The first port of each range, and those at which a rule's range begins or has ended.
fn candidate_ports(conditions: &[&Condition], redirected: &[PortRange]) -> Vec<u16> {
    let mut ports: Vec<u16> = redirected.iter().map(|range| range.first()).collect();
    for wanted in wanted(conditions, is_port) {
        let Wanted::Range(first, last) = wanted else { continue };
        let ends = [Some(*first), last.checked_add(1)].into_iter().flatten();
        let ends = ends.filter_map(|port| u16::try_from(port).ok());
        ports.extend(ends.filter(|port| redirected.iter().any(|range| range.contains(*port))));
    }
    ports
}

/// The first of all that are treated alike.
fn distinct<T, K: PartialEq>(all: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut keys = Vec::new();
    let mut kept = Vec::new();
    for one in all {
        let key = key(&one);
        if !keys.contains(&key) {
            keys.push(key);
            kept.push(one);
        }
    }
    kept
}

fn is_port(field: &Field) -> bool {
    matches!(
        field,
        Field::SourcePort
            | Field::DestinationPort
            | Field::OriginalDestinationPort
            | Field::ReplySourcePort
    )
}

fn is_interface(field: &Field) -> bool {
    matches!(field, Field::InInterface | Field::OutInterface)
}

fn is_address(field: &Field) -> bool {
    matches!(
        field,
        Field::Source
            | Field::Destination
            | Field::OriginalSource
            | Field::OriginalDestination
            | Field::ReplySource
            | Field::ReplyDestination
    )
}

/// All that conditions want of the fields of a kind.
fn wanted<'a>(
    conditions: &'a [&'a Condition],
    is_of_kind: fn(&Field) -> bool,
) -> impl Iterator<Item = &'a Wanted> {
    conditions.iter().flat_map(move |condition| {
        condition.wanted.iter().flat_map(move |tuple| {
            let pairs = condition.fields.iter().zip(tuple);
            pairs.filter(move |(field, _)| is_of_kind(field)).map(|(_, wanted)| wanted)
        })
    })
}

/// What every condition on the fields of a kind says to a value.
fn asked(conditions: &[&Condition], is_of_kind: fn(&Field) -> bool, value: &Value) -> Vec<bool> {
    wanted(conditions, is_of_kind).map(|wanted| wanted.has(value) == Holds::Yes).collect()
}

/// The addresses of this host by interface: all that are up, but loopback, those of another interface, and those
/// that no packet comes in by.
fn arrivals(links: &Links) -> Vec<Arrival> {
    let mut found = Vec::new();
    for entry in getifaddrs().into_iter().flatten() {
        let flags = entry.flags;
        let is_dummy = flags.contains(InterfaceFlags::IFF_NOARP)
            && !flags.contains(InterfaceFlags::IFF_POINTOPOINT);
        let is_up = flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING);
        if !is_up || is_dummy || links.is_port(&entry.interface_name) {
            continue;
        }
        let Some(storage) = entry.address else { continue };
        let address: IpAddr = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
            (Some(address), _) => address.ip().into(),
            (_, Some(address)) => address.ip().into(),
            _ => continue,
        };
        let discovers =
            !flags.intersects(InterfaceFlags::IFF_NOARP | InterfaceFlags::IFF_POINTOPOINT);
        let is_loopback = flags.contains(InterfaceFlags::IFF_LOOPBACK);
        found.push((is_loopback, Arrival { interface: entry.interface_name, address, discovers }));
    }
    let is_usual = |address: IpAddr| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    let (own, outer): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(is_loopback, _)| *is_loopback);
    let mut arrivals: Vec<Arrival> = outer.into_iter().map(|(_, at)| at).collect();
    let interfaces: Vec<(String, bool)> =
        arrivals.iter().map(|at| (at.interface.clone(), at.discovers)).collect();
    // An address that only the link knows counts where the interface has no other.
    let usual: Vec<String> = arrivals
        .iter()
        .filter(|at| at.address.is_ipv6() && is_usual(at.address))
        .map(|at| at.interface.clone())
        .collect();
    // An address that is routed to this host may belong to the loopback interface.
    let routed: Vec<IpAddr> = own
        .into_iter()
        .map(|(_, at)| at.address)
        .filter(|address| !address.is_loopback() && is_usual(*address))
        .collect();
    for family in Family::BOTH {
        let has_any =
            arrivals.iter().any(|at| Family::of(at.address) == family && is_usual(at.address));
        for address in routed.iter().filter(|address| !has_any && Family::of(**address) == family) {
            arrivals.extend(
                distinct(interfaces.clone(), Clone::clone).into_iter().map(
                    |(interface, discovers)| Arrival { interface, address: *address, discovers },
                ),
            );
        }
    }
    arrivals.retain(|at| is_usual(at.address) || !usual.contains(&at.interface));
    arrivals
}

/// An address that no rule names and that the bundle does not exempt.
fn unnamed_source(family: Family, conditions: &[&Condition], guard_config: &GuardConfig) -> u128 {
    let candidates = (0..256u32).map(|index| match family {
        // Spread over the networks that anybody may have.
        Family::V4 => IpAddr::from(Ipv4Addr::from(
            0x5d48_2c11u32.wrapping_add(index.wrapping_mul(0x0d3b_5a35)),
        )),
        Family::V6 => IpAddr::from(Ipv6Addr::from(
            (0x2a01_07c8u128 + u128::from(index) * 0x3_0041) << 96 | 0x6379,
        )),
    });
    let fits = |address: &IpAddr| match address {
        IpAddr::V4(address) => {
            let first = address.octets()[0];
            (1..224).contains(&first)
                && !address.is_private()
                && !address.is_loopback()
                && !address.is_link_local()
        }
        IpAddr::V6(_) => true,
    };
    let mut candidates = candidates
        .filter(fits)
        .filter(|address| !guard_config.allow.iter().any(|network| network.contains(address)));
    let first = candidates.next();
    let is_named = |address: &IpAddr| {
        let value = Value::Number(number_of(*address));
        wanted(conditions, is_address).any(|wanted| match wanted {
            // All addresses are no name.
            Wanted::Range(0, last) if *last >= u32::MAX.into() => false,
            _ => wanted.has(&value) == Holds::Yes,
        })
    };
    let found = first.into_iter().chain(candidates).find(|address| !is_named(address));
    found.or(first).map_or(0, number_of)
}

/// Sources that rules name, each with what it is called.
pub(super) fn named_sources(
    ruleset: &Ruleset,
    guard_config: &GuardConfig,
    family: Family,
) -> Vec<(u128, String)> {
    let mut found: Vec<(u128, String)> = Vec::new();
    for condition in ruleset.conditions() {
        let one = [condition];
        let ranges = wanted(&one, is_address).filter_map(|wanted| match wanted {
            Wanted::Range(first, last) => Some((*first, *last)),
            Wanted::Masked { value, .. } => Some((*value, *value)),
            _ => None,
        });
        for (first, last) in ranges.take(MOST_OF_CONDITION) {
            let is_all = first == 0 && last >= u32::MAX.into();
            let source = if first == last { first } else { first + 1 };
            let (from, to) = match family {
                Family::V4 => {
                    let [Ok(source), Ok(first), Ok(last)] =
                        [source, first, last].map(u32::try_from)
                    else {
                        continue;
                    };
                    let name = name_of(first.into(), last.into(), 32, |number| {
                        Ipv4Addr::from(number as u32).to_string()
                    });
                    (IpAddr::from(Ipv4Addr::from(source)), name)
                }
                Family::V6 if first > u32::MAX.into() => {
                    let name =
                        name_of(first, last, 128, |number| Ipv6Addr::from(number).to_string());
                    (IpAddr::from(Ipv6Addr::from(source)), name)
                }
                Family::V6 => continue,
            };
            let is_exempt = guard_config.allow.iter().any(|network| network.contains(&from));
            if !is_all && !is_exempt && !found.iter().any(|(known, _)| *known == source) {
                found.push((source, to));
            }
        }
        if found.len() >= MOST_SOURCES {
            break;
        }
    }
    found
}

/// A range of addresses as a network, if it is one.
fn name_of(first: u128, last: u128, bits: u32, text: impl Fn(u128) -> String) -> String {
    let size = last - first;
    let hosts = 128 - size.leading_zeros();
    let is_network = size & (size.wrapping_add(1)) == 0 && first & size == 0;
    if first == last {
        text(first)
    } else if is_network {
        format!("{}/{}", text(first), bits - hosts)
    } else {
        format!("{}-{}", text(first), text(last))
    }
}
