//! A rule's condition on a packet, and whether it holds: yes, no, or that cannot be known. Runs nothing.

pub(super) mod names;

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

impl Field {
    /// Whether it tells one outsider from another.
    pub(super) fn is_of_client(&self) -> bool {
        matches!(
            self,
            Self::InInterface
                | Self::BridgePort
                | Self::Source
                | Self::SourcePort
                | Self::OriginalSource
                | Self::OriginalSourcePort
                | Self::ReplyDestination
                | Self::ReplyDestinationPort
                | Self::Hops
                | Self::Recent(_)
        )
    }
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
    /// Of outsiders: nothing that a rule names, or of some what it names, but nothing in these ranges.
    Unnamed(Vec<(u128, u128)>),
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
    /// What is in a set whose elements are not listed.
    InSet(String),
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
            (Self::InSet(_), _) => Holds::Unknown,
            (_, Value::Unnamed(never)) => self.has_unnamed(never),
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

    /// Whether it has an address or an interface that no rule names; unknown where some outsider may have one that
    /// it does.
    fn has_unnamed(&self, never: &[(u128, u128)]) -> Holds {
        let is_in = |first: &u128, last: &u128| {
            never.iter().any(|(from, to)| (from..=to).contains(&first) && last <= to)
        };
        match self {
            // All addresses, or all interfaces.
            Self::Range(0, last) if *last >= u32::MAX.into() => Holds::Yes,
            Self::Prefix(prefix) if prefix.is_empty() => Holds::Yes,
            Self::Range(first, last) if is_in(first, last) => Holds::No,
            Self::Name(name) if name == "lo" => Holds::No,
            _ => Holds::Unknown,
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
