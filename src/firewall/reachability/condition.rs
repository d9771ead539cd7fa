//! A rule's condition on a packet, and whether it holds: yes, no, or that cannot be known. Runs nothing.

use std::net::IpAddr;
use std::str::FromStr;

/// What is asked of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    InInterface,
    OutInterface,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    Protocol,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    NetFamily,
    TcpFlags,
    /// Bits of nf_conntrack's states.
    State,
    /// The same with those that `--ctstate` has for translated connections.
    StateOrNat,
    Status,
    Direction,
    OriginalSource,
    OriginalDestination,
    OriginalSourcePort,
    OriginalDestinationPort,
    ReplySource,
    ReplyDestination,
    ReplySourcePort,
    ReplyDestinationPort,
    Mark,
    ConnectionMark,
    Hops,
    SourceType,
    DestinationType,
    PacketType,
    Icmpv6Type,
    /// The largest segment that a SYN asks for; 0 in other packets.
    SegmentSize,
    /// 1 where the source is in this list of the `recent` match.
    Recent(String),
    /// 1 where a limit with this burst is exceeded.
    OverLimit(u128),
    /// The port of a bridge that a packet came in by.
    BridgePort,
    /// Absent in packets of the other family.
    Has(u128),
    /// 0 always: fragments, extension headers, IPsec, transparent sockets.
    Unusual,
    /// 1 always: the route back to the source.
    RouteBack,
    /// Not known, whatever it is asked for.
    Unknown(String),
}

/// What a packet has of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u128),
    /// Any number of these.
    Range(u128, u128),
    /// One of these.
    Either(u128, u128),
    Text(String),
    /// A packet of this kind has no such field: neither a condition nor its negation holds.
    Absent,
    Unknown,
}

/// What a condition wants of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    Range(u128, u128),
    Masked {
        mask: u128,
        value: u128,
    },
    AnyBit(u128),
    /// A name, or what it begins with.
    Name(String),
    Prefix(String),
    Unknown,
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    Unknown,
}

/// Whether the fields together are one of the wanted tuples; or, negated, none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) fields: Vec<Field>,
    pub(super) wanted: Vec<Vec<Wanted>>,
    pub(super) is_negated: bool,
}

impl Holds {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl Condition {
    pub(super) fn new(field: Field, wanted: Vec<Wanted>) -> Self {
        let wanted = wanted.into_iter().map(|wanted| vec![wanted]).collect();
        Self { fields: vec![field], wanted, is_negated: false }
    }

    /// One that cannot be judged, with a name: the same name has the same answer in every rule.
    pub(super) fn unknown(name: impl Into<String>) -> Self {
        Self::new(Field::Unknown(name.into()), vec![Wanted::Unknown])
    }

    pub(super) fn number(field: Field, number: impl Into<u128>) -> Self {
        let number = number.into();
        Self::new(field, vec![Wanted::Range(number, number)])
    }

    pub(super) fn bits(field: Field, bits: u128) -> Self {
        Self::new(field, vec![Wanted::AnyBit(bits)])
    }

    pub(super) fn negated_if(mut self, is_negated: bool) -> Self {
        self.is_negated ^= is_negated;
        self
    }

    /// Whether it holds for a packet with these values.
    pub(super) fn holds(&self, value_of: impl Fn(&Field) -> Value) -> Holds {
        let values: Vec<Value> = self.fields.iter().map(value_of).collect();
        if values.contains(&Value::Absent) {
            return Holds::No;
        }
        let mut found = Holds::No;
        for tuple in &self.wanted {
            let pairs = tuple.iter().zip(&values);
            let all = pairs.fold(Holds::Yes, |all, (wanted, value)| all.and(wanted.has(value)));
            found = found.or(all);
            if found == Holds::Yes {
                break;
            }
        }
        if self.is_negated { found.not() } else { found }
    }

    /// Its name, whether it is negated or not.
    pub(super) fn name(&self) -> String {
        let shown = self.wanted.iter().take(8);
        format!("{:?} {:?} {}", self.fields, shown.collect::<Vec<_>>(), self.wanted.len())
    }
}

impl Wanted {
    pub(super) fn exactly(number: impl Into<u128>) -> Self {
        let number = number.into();
        Self::Range(number, number)
    }

    /// An address, a network (`10.0.0.0/8`, `10.0.0.0/255.0.0.255`) or a range of addresses.
    pub(super) fn addresses(text: &str) -> Option<Self> {
        if let Some((first, last)) = text.split_once('-') {
            return Some(Self::Range(address(first)?, address(last)?));
        }
        let Some((start, length)) = text.split_once('/') else {
            return Some(Self::exactly(address(text)?));
        };
        let bits = if start.contains(':') { 128 } else { 32 };
        let start = address(start)?;
        match length.parse::<u32>() {
            Ok(length) => Some(Self::network(start, bits, length)),
            Err(_) => {
                let mask = address(length)?;
                Some(Self::Masked { mask, value: start & mask })
            }
        }
    }

    /// A network of addresses with so many bits.
    pub(super) fn network(start: u128, bits: u32, length: u32) -> Self {
        let hosts = bits.saturating_sub(length);
        let rest = if hosts >= 128 { u128::MAX } else { (1 << hosts) - 1 };
        Self::Range(start & !rest, start | rest)
    }

    pub(super) fn has(&self, value: &Value) -> Holds {
        match (self, value) {
            (Self::Any, _) => Holds::Yes,
            (Self::Unknown, _) | (_, Value::Unknown) => Holds::Unknown,
            (_, Value::Absent) => Holds::No,
            (Self::Name(name), Value::Text(text)) => Holds::of(name == text),
            (Self::Prefix(prefix), Value::Text(text)) => Holds::of(text.starts_with(prefix)),
            (Self::Name(_) | Self::Prefix(_), _) | (_, Value::Text(_)) => Holds::No,
            (_, Value::Number(number)) => Holds::of(self.has_number(*number)),
            (_, Value::Either(one, other)) => {
                match (self.has_number(*one), self.has_number(*other)) {
                    (true, true) => Holds::Yes,
                    (false, false) => Holds::No,
                    _ => Holds::Unknown,
                }
            }
            (Self::Range(first, last), Value::Range(low, high)) => {
                // Of a client's port, a few are met by chance only; it connects again from another one.
                let is_rare = high - low > 10_000 && last.saturating_sub(*first) < 100;
                if first <= low && high <= last {
                    Holds::Yes
                } else if is_rare || high < first || last < low {
                    Holds::No
                } else {
                    Holds::Unknown
                }
            }
            (_, Value::Range(..)) => Holds::Unknown,
        }
    }

    fn has_number(&self, number: u128) -> bool {
        match self {
            Self::Range(first, last) => (first..=last).contains(&&number),
            Self::Masked { mask, value } => number & mask == *value,
            Self::AnyBit(bits) => number & bits != 0,
            _ => false,
        }
    }
}

/// An address as a number.
pub(super) fn address(text: &str) -> Option<u128> {
    Some(number_of(IpAddr::from_str(text.trim()).ok()?))
}

/// An address as a number.
pub(super) fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// A name for a bit or a number: protocols, flags of TCP, states and kinds of addresses, as iptables and nft
/// write them, in small letters.
pub(super) fn named(field: &Field, name: &str) -> Option<u128> {
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

/// The bit of `--ctstate DNAT`.
pub(super) const DNAT_STATE: u128 = 1 << 21;

/// A number as iptables and nft write it: `16` or `0x10`.
pub(super) fn number(text: &str) -> Option<u128> {
    match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A port or a range of ports.
pub(super) fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once([':', '-']).unwrap_or((text, text));
    let first = if first.is_empty() { 0 } else { first.parse().ok()? };
    Some((first, if last.is_empty() { u16::MAX } else { last.parse().ok()? }))
}
