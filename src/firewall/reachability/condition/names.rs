//! Names and numbers as iptables and nft write them. Runs nothing.

use super::Field;

/// The bit of `--ctstate DNAT`.
pub(in crate::firewall::reachability) const DNAT_STATE: u128 = 1 << 21;

/// A number as iptables and nft write it: `16` or `0x10`.
pub(in crate::firewall::reachability) fn number(text: &str) -> Option<u128> {
    match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A port or a range of ports.
pub(in crate::firewall::reachability) fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once([':', '-']).unwrap_or((text, text));
    let first = if first.is_empty() { 0 } else { first.parse().ok()? };
    Some((first, if last.is_empty() { u16::MAX } else { last.parse().ok()? }))
}

/// A name for a bit or a number: protocols, flags of TCP, states and kinds of addresses, as iptables and nft
/// write them, in small letters.
pub(in crate::firewall::reachability) fn named(field: &Field, name: &str) -> Option<u128> {
    let names: &[(&str, u128)] = match field {
        // linux/in.h
        Field::Protocol => &[
            ("icmp", 1),
            ("igmp", 2),
            ("tcp", 6),
            ("udp", 17),
            ("dccp", 33),
            ("gre", 47),
            ("esp", 50),
            ("ah", 51),
            ("icmpv6", 58),
            ("ipv6-icmp", 58),
            ("ospf", 89),
            ("vrrp", 112),
            ("sctp", 132),
            ("udplite", 136),
        ],
        Field::NetFamily => &[("ipv4", 2), ("ip", 2), ("ipv6", 10), ("ip6", 10), ("arp", 3)],
        Field::TcpFlags => &[
            ("fin", 1),
            ("syn", 2),
            ("rst", 4),
            ("psh", 8),
            ("ack", 16),
            ("urg", 32),
            ("ecn", 64),
            ("ece", 64),
            ("cwr", 128),
            ("all", 63),
            ("none", 0),
        ],
        // `NF_CT_STATE_BIT`, and xt_conntrack.h for the last two.
        Field::State | Field::StateOrNat => &[
            ("invalid", 1),
            ("established", 2),
            ("related", 4),
            ("new", 8),
            ("untracked", 64),
            ("snat", 1 << 20),
            ("dnat", DNAT_STATE),
        ],
        // linux/netfilter/nf_conntrack_common.h
        Field::Status => &[
            ("none", 0),
            ("expected", 1),
            ("seen-reply", 2),
            ("seen_reply", 2),
            ("assured", 4),
            ("confirmed", 8),
            ("snat", 16),
            ("dnat", 32),
            ("dying", 512),
        ],
        Field::Direction => &[("original", 0), ("reply", 1)],
        // linux/rtnetlink.h
        Field::SourceType | Field::DestinationType => &[
            ("unspec", 0),
            ("unicast", 1),
            ("local", 2),
            ("broadcast", 3),
            ("anycast", 4),
            ("multicast", 5),
            ("blackhole", 6),
            ("unreachable", 7),
            ("prohibit", 8),
        ],
        // linux/if_packet.h
        Field::PacketType => {
            &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)]
        }
        // RFC 4443, RFC 4861
        Field::Icmpv6Type => &[
            ("destination-unreachable", 1),
            ("packet-too-big", 2),
            ("time-exceeded", 3),
            ("parameter-problem", 4),
            ("echo-request", 128),
            ("echo-reply", 129),
            ("mld-listener-query", 130),
            ("mld-listener-report", 131),
            ("mld-listener-done", 132),
            ("mld-listener-reduction", 132),
            ("nd-router-solicit", 133),
            ("nd-router-advert", 134),
            ("nd-neighbor-solicit", 135),
            ("nd-neighbor-advert", 136),
            ("nd-redirect", 137),
            ("ind-neighbor-solicit", 141),
            ("ind-neighbor-advert", 142),
            ("mld2-listener-report", 143),
        ],
        _ => &[],
    };
    let found = names.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    found.or_else(|| number(name))
}
