//! The firewall rules: for iptables one family at a time, for nft both.
//!
//! Guarantees: however many ports are reserved, a packet to another port passes a few matches. nft looks
//! the port up in a set, iptables in a tree of chains.

use super::chain_tree::{ChainTree, MULTIPORT_SLOTS, slots};
use crate::family::Family;
use crate::spec::{Existing, External, PortRange, PortSet, Spec};
use askama::Template;
use ipnet::IpNet;

/// Matches the first packet of a TCP connection.
const FIRST_PACKET: &str = "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN";
/// The hop limit of a packet that may not leave this host: ip_forward() and ip6_forward() in Linux refuse
/// it before any rule can accept it. Local delivery does not look at it, and a bridge does not either.
const HOPS_STAY: u8 = 1;
/// The hop limit of a packet to be reset wherever other rules lead it. A router takes one off before FORWARD,
/// a bridge does not. A client may send it as well, but it matches only together with a reserved original
/// port.
const HOPS_RESET: u8 = 2;
/// The limit of kernel log lines for all sources together, so that forged sources cannot fill a disk
/// (limit in iptables-extensions(8)).
const LOG_LINES_PER_SECOND: u8 = 5;
const LOG_BURST: u8 = 100;
/// The beginnings of kernel log lines; `report` finds the lines by them.
const LOG_PREFIX_DROP: &str = "redisguard drop: ";
const LOG_PREFIX_REJECT: &str = "redisguard reject: ";
const LOG_PREFIX_PROBE_DROP: &str = "redisguard probe drop: ";
const LOG_PREFIX_PROBE_REJECT: &str = "redisguard probe reject: ";
/// One source in IPv6 is a /64: a host can use every address of its network (RFC 4862).
const LOG_MASK_V6: &str = "ffff:ffff:ffff:ffff::";

#[derive(Template)]
#[template(path = "host/etc/redisguard/rules.rules")]
struct Rules<'a> {
    spec: &'a Spec,
    digest: &'a str,
    family: Family,
    allow: Vec<IpNet>,
    services: Vec<IpNet>,
    /// The networks that probe.
    probes: Vec<IpNet>,
    /// The match of the jump in INPUT, and that of the jumps in PREROUTING.
    input: String,
    prerouting: String,
    /// Whether those matches cover ports that are not reserved, which the leaves then have to return.
    is_approximate: bool,
    /// `ttl` or `hl`: what the family calls a packet's hop limit, and the match on it.
    hops: &'static str,
    /// The target that sets it.
    set_hops: &'static str,
    /// The reserved ports, and those of redirected connections; may cover others between them.
    covering: Vec<PortRange>,
    redirected: Vec<PortRange>,
    tree: ChainTree<'a>,
    /// The list of sources that were logged in the last minute. Each family needs one of its own: a list
    /// has one mask.
    log_list: &'static str,
    log_mask: &'static str,
}

#[derive(Template)]
#[template(path = "host/etc/redisguard/redisguard.nft")]
struct NftRules<'a> {
    spec: &'a Spec,
    digest: &'a str,
    allow: Vec<IpNet>,
    services: Vec<IpNet>,
    probes: Vec<IpNet>,
    /// Whether a range is among the reserved ports.
    ranges: bool,
    /// The elements of the sets of ports, one string a line.
    all: Vec<String>,
    dropped: Vec<String>,
    redirected: Vec<String>,
}

/// Ranges that cover the reserved ports and take at most `max_slots` of a multiport match: exactly the
/// reserved ports where they fit, else with the narrowest gaps between them filled.
fn covering_ranges(reserved: &[PortRange], max_slots: usize) -> Vec<PortRange> {
    let fits = |ranges: &[PortRange]| ranges.iter().copied().map(slots).sum::<usize>() <= max_slots;
    if fits(reserved) {
        return reserved.to_vec();
    }
    let merged: PortSet = reserved.iter().copied().collect();
    let ranges = merged.ranges();
    if fits(ranges) {
        return ranges.to_vec();
    }
    let gap = |pair: &[PortRange]| pair[1].first() - pair[0].last();
    // A hull of several ranges takes two slots, so there is room for half as many hulls, and for one gap
    // less than hulls. The widest gaps stay open.
    let mut open_gaps: Vec<usize> = (1..ranges.len()).collect();
    open_gaps.sort_by_key(|index| std::cmp::Reverse(gap(&ranges[index - 1..=*index])));
    open_gaps.truncate(max_slots / 2 - 1);
    open_gaps.sort_unstable();
    let starts = std::iter::once(0).chain(open_gaps.iter().copied());
    let ends = open_gaps.iter().copied().chain([ranges.len()]);
    starts.zip(ends).map(|(start, end)| ranges[start].hull(ranges[end - 1])).collect()
}

/// A multiport match of the ranges.
fn multiport(ranges: &[PortRange]) -> String {
    let ranges: Vec<String> = ranges.iter().map(|range| range.to_iptables()).collect();
    format!("-m multiport --dports {}", ranges.join(","))
}

/// The reserved ports that satisfy the condition, ascending.
fn ports(spec: &Spec, which: impl Fn(External) -> bool) -> Vec<PortRange> {
    let reserved = spec.reserved.iter().filter(|reserved| which(reserved.external));
    let mut ports: Vec<PortRange> = reserved.map(|reserved| reserved.ports).collect();
    ports.sort_unstable();
    ports
}

/// The rules of one family in the format of iptables-restore.
///
/// # Errors
/// None with values that a [`Spec`] can hold; askama's signature has one.
pub(super) fn iptables(spec: &Spec, digest: &str, family: Family) -> askama::Result<String> {
    let all = ports(spec, |_| true);
    // One slot is left for the notice port.
    let reserved = covering_ranges(&all, MULTIPORT_SLOTS - 1);
    let set = |ranges: &[PortRange]| ranges.iter().copied().collect::<PortSet>();
    let notice = spec.redirects().then(|| PortRange::from(spec.notice.port));
    let mut input = reserved.clone();
    input.extend(notice);
    let (hops, set_hops, log_list, log_mask) = match family {
        Family::V4 => ("ttl", "-j TTL --ttl-set", "rg_log_v4", "255.255.255.255"),
        Family::V6 => ("hl", "-j HL --hl-set", "rg_log_v6", LOG_MASK_V6),
    };
    let rules = Rules {
        spec,
        digest,
        family,
        allow: of_family(&spec.firewall.allow, family),
        services: of_family(&spec.firewall.service_networks, family),
        probes: of_family(&spec.probe.from, family),
        input: multiport(&input),
        prerouting: multiport(&reserved),
        is_approximate: set(&reserved) != set(&all),
        hops,
        set_hops,
        covering: covering_ranges(&all, MULTIPORT_SLOTS),
        redirected: covering_ranges(
            &ports(spec, |external| external == External::Notice),
            MULTIPORT_SLOTS,
        ),
        tree: ChainTree::of(spec),
        log_list,
        log_mask,
    };
    rules.render()
}

/// The rules of both families in the format of nft.
///
/// # Errors
/// As [`iptables`].
pub(super) fn nft(spec: &Spec, digest: &str) -> askama::Result<String> {
    let set = |which: fn(External) -> bool| -> Vec<String> {
        let ports: Vec<u16> = ports(spec, which).into_iter().flat_map(PortRange::ports).collect();
        // Ten numbers a line, so that one more port changes one line of a diff.
        let lines = ports.chunk_by(|one, next| one / 10 == next / 10);
        lines.map(|line| line.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")).collect()
    };
    let by_family = |networks: &[IpNet]| {
        Family::BOTH.into_iter().flat_map(|family| of_family(networks, family)).collect()
    };
    let rules = NftRules {
        spec,
        digest,
        allow: by_family(&spec.firewall.allow),
        services: by_family(&spec.firewall.service_networks),
        probes: by_family(&spec.probe.from),
        ranges: spec.reserved.iter().any(|reserved| slots(reserved.ports) > 1),
        all: set(|_| true),
        dropped: set(|external| external == External::Drop),
        redirected: set(|external| external == External::Notice),
    };
    rules.render()
}

/// The networks of one family.
fn of_family(networks: &[IpNet], family: Family) -> Vec<IpNet> {
    networks.iter().copied().filter(|network| Family::of(network.addr()) == family).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_names_the_ports_or_covers_them_with_the_widest_gaps_left_out() {
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        let exact = [range("6379"), range("6380-6381")];
        assert_eq!(covering_ranges(&exact, 14), exact);
        let touching: Vec<PortRange> = (1..=20).map(PortRange::from).collect();
        assert_eq!(covering_ranges(&touching, 14), [range("1-20")]);
        let far = ["10", "12", "14", "100", "200", "300", "400", "500", "600"].map(range);
        let covered = covering_ranges(&far, 6);
        assert_eq!(covered, ["10-100", "200", "300-600"].map(range), "{covered:?}");
    }
}
