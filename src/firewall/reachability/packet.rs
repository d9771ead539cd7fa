//! The packets of an outsider's connection, and what each condition finds in them. Runs nothing.

use super::condition::{DNAT_STATE, Field, Value};
use super::rule::Mark;
use crate::family::Family;
use std::collections::BTreeSet;

/// The ports that clients connect from: registered and dynamic ones of any system.
const CLIENT_PORTS: Value = Value::Range(1024, 65535);
/// What is left of a hop limit of 64 or more on a long way.
const FAR_HOPS: Value = Value::Range(30, 255);
/// The largest segment of any usual link.
const SEGMENT_SIZES: Value = Value::Range(1220, 8960);
/// The hop limit of neighbour discovery (RFC 4861).
const DISCOVERY_HOPS: u128 = 255;
/// A router's address on the link.
const LINK_LOCAL: u128 = 0xfe80_0000_0000_0000_0000_0000_0000_6379;
/// What nf_conntrack sets besides where a connection has been translated: that both sides are decided.
const TRANSLATED_STATUS: u128 = 32 | 128 | 256;

/// From where an outsider connects, and to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) family: Family,
    pub(super) interface: String,
    /// Whether the interface is a bridge.
    pub(super) is_bridge: bool,
    /// Whether the link finds addresses by neighbour discovery.
    pub(super) discovers: bool,
    pub(super) client: u128,
    pub(super) host: u128,
    /// The reserved port.
    pub(super) port: u16,
    /// Where the listener takes redirected clients.
    pub(super) listener: u16,
}

/// The packets that must pass, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody on the link asks for the host's hardware address (IPv6).
    Solicitation,
    Advertisement,
    Syn,
    SynAck,
    /// The client's data, and the notice.
    Data,
    Notice,
}

impl Kind {
    pub(super) fn is_inbound(self) -> bool {
        matches!(self, Self::Solicitation | Self::Syn | Self::Data)
    }

    pub(super) fn is_discovery(self) -> bool {
        matches!(self, Self::Solicitation | Self::Advertisement)
    }
}

/// What nf_conntrack has done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tracking {
    NotYet,
    Untracked,
    Tracked,
}

/// What outlives one packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// The mark; `None` where a rule has made one that cannot be known.
    pub(super) mark: Option<u128>,
    /// The lists of the `recent` match that the source is in.
    pub(super) remembered: BTreeSet<String>,
}

/// One packet at one place.
pub(super) struct Packet<'a> {
    pub(super) way: &'a Way,
    pub(super) kind: Kind,
    pub(super) connection: Connection,
    pub(super) tracking: Tracking,
    /// Whether the listener's port is in it, and no longer, or not yet, the reserved one.
    pub(super) is_translated: bool,
    pub(super) mark: Option<u128>,
    pub(super) hops: Value,
}

impl<'a> Packet<'a> {
    pub(super) fn new(way: &'a Way, kind: Kind, connection: Connection) -> Self {
        let hops = match kind {
            _ if kind.is_discovery() => Value::Number(DISCOVERY_HOPS),
            _ if kind.is_inbound() => FAR_HOPS,
            _ => Value::Range(64, 255),
        };
        Self {
            way,
            kind,
            connection,
            tracking: Tracking::NotYet,
            is_translated: !kind.is_inbound(),
            mark: Some(0),
            hops,
        }
    }

    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    fn family(&self) -> u128 {
        if self.way.family == Family::V4 { 2 } else { 10 }
    }

    /// The port of this host that is in the packet.
    pub(super) fn port(&self) -> u16 {
        if self.is_translated { self.way.listener } else { self.way.port }
    }

    /// What the packet has of a field.
    pub(super) fn value(&self, field: &Field) -> Value {
        let number = |number: u128| Value::Number(number);
        let (inbound, discovery) = (self.kind.is_inbound(), self.kind.is_discovery());
        match field {
            Field::InInterface if inbound => Value::Text(self.way.interface.clone()),
            Field::OutInterface if !inbound => Value::Text(self.way.interface.clone()),
            Field::InInterface | Field::OutInterface => Value::Text(String::new()),
            Field::Source => {
                if inbound {
                    self.client()
                } else {
                    number(self.way.host)
                }
            }
            Field::Destination if self.kind == Kind::Solicitation => {
                number(solicited_node(self.way.host))
            }
            Field::Destination => {
                if inbound {
                    number(self.way.host)
                } else {
                    self.client()
                }
            }
            Field::SourcePort | Field::DestinationPort | Field::TcpFlags | Field::SegmentSize
                if discovery =>
            {
                Value::Absent
            }
            Field::SourcePort => {
                if inbound {
                    CLIENT_PORTS
                } else {
                    number(self.port().into())
                }
            }
            Field::DestinationPort => {
                if inbound {
                    number(self.port().into())
                } else {
                    CLIENT_PORTS
                }
            }
            Field::Protocol => number(if discovery { 58 } else { 6 }),
            Field::NetFamily => number(self.family()),
            Field::Has(family) if *family != self.family() => Value::Absent,
            Field::Has(family) => number(*family),
            Field::TcpFlags => number(match self.kind {
                Kind::Syn => 2,
                Kind::SynAck => 18,
                _ => 24,
            }),
            Field::SegmentSize => match self.kind {
                Kind::Syn | Kind::SynAck => SEGMENT_SIZES,
                _ => number(0),
            },
            Field::Mark => self.mark.map_or(Value::Unknown, Value::Number),
            Field::Hops => self.hops.clone(),
            Field::SourceType => number(if inbound { 1 } else { 2 }),
            Field::DestinationType if self.kind == Kind::Solicitation => number(5),
            Field::DestinationType => number(if inbound { 2 } else { 1 }),
            Field::PacketType if self.kind == Kind::Solicitation => number(2),
            Field::PacketType => number(0),
            Field::Icmpv6Type => match self.kind {
                Kind::Solicitation => number(135),
                Kind::Advertisement => number(136),
                _ => Value::Absent,
            },
            Field::Recent(list) => number(self.connection.remembered.contains(list).into()),
            // One connection has not many packets; a small burst may end within it.
            Field::OverLimit(burst) => match self.kind {
                Kind::Data | Kind::Notice if *burst < 10 => Value::Unknown,
                _ => number(0),
            },
            Field::BridgePort if inbound && self.way.is_bridge => Value::Unknown,
            Field::BridgePort => Value::Text(String::new()),
            Field::Unusual => number(0),
            Field::RouteBack => number(1),
            Field::Unknown(_) => Value::Unknown,
            _ => self.tracked(field),
        }
    }

    /// What connection tracking knows.
    fn tracked(&self, field: &Field) -> Value {
        let state = |bits: u128| Value::Number(bits);
        let is_state = matches!(field, Field::State | Field::StateOrNat);
        match self.tracking {
            Tracking::NotYet if is_state => return state(1),
            Tracking::Untracked if is_state => return state(64),
            Tracking::NotYet | Tracking::Untracked => return Value::Absent,
            Tracking::Tracked => {}
        }
        let is_new = self.kind == Kind::Syn;
        // Later packets of the connection find it translated from the start.
        let is_translated = self.is_translated || !is_new;
        let listener = if is_translated { self.way.listener } else { self.way.port };
        let number = |number: u128| Value::Number(number);
        match field {
            Field::State => number(if is_new { 8 } else { 2 }),
            Field::StateOrNat => {
                let bits = if is_new { 8 } else { 2 };
                number(bits | if is_translated { DNAT_STATE } else { 0 })
            }
            Field::Status => {
                let seen = match self.kind {
                    Kind::Syn => 0,
                    Kind::SynAck => 2 | 8,
                    _ => 2 | 4 | 8,
                };
                number(seen | if is_translated { TRANSLATED_STATUS } else { 0 })
            }
            Field::Direction => number((!self.kind.is_inbound()).into()),
            Field::OriginalSource | Field::ReplyDestination => self.client(),
            Field::OriginalDestination | Field::ReplySource => number(self.way.host),
            Field::OriginalSourcePort | Field::ReplyDestinationPort => CLIENT_PORTS,
            Field::OriginalDestinationPort => number(self.way.port.into()),
            Field::ReplySourcePort => number(listener.into()),
            Field::ConnectionMark => self.connection.mark.map_or(Value::Unknown, Value::Number),
            _ => Value::Unknown,
        }
    }

    fn client(&self) -> Value {
        if self.kind.is_discovery() {
            // A neighbour's own, or that of the router to it.
            Value::Either(self.way.client, LINK_LOCAL)
        } else {
            Value::Number(self.way.client)
        }
    }

    /// Changes the packet's mark, or the connection's.
    pub(super) fn set_mark(&mut self, change: Mark, is_of_connection: bool) {
        let both = [self.mark, self.connection.mark];
        let [own, other] = if is_of_connection { [both[1], both[0]] } else { both };
        let made = match change {
            Mark::Own { keep: 0, flip } => Some(flip),
            Mark::Own { keep, flip } => own.map(|own| own & keep ^ flip),
            Mark::Other { keep: 0, take } => other.map(|other| other & take),
            Mark::Other { keep, take } => {
                own.zip(other).map(|(own, other)| own & keep ^ (other & take))
            }
            Mark::Unknown => None,
        };
        if !is_of_connection {
            self.mark = made;
        } else if self.tracking == Tracking::Tracked {
            self.connection.mark = made;
        }
    }
}

/// The group that a neighbour asks (RFC 4291).
fn solicited_node(host: u128) -> u128 {
    0xff02_0000_0000_0000_0000_0001_ff00_0000 | host & 0xff_ffff
}
