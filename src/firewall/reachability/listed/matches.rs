//! The conditions of nft's rules: expressions and what they are compared with. Runs nothing.

use crate::firewall::reachability::condition::names::named;
use crate::firewall::reachability::condition::{Condition, Field, Wanted, address};
use serde_json::Value;

/// The named sets and maps of all tables.
pub(super) struct Names<'a> {
    objects: Vec<(&'static str, &'a Value)>,
    /// Whether their elements are listed.
    lists_elements: bool,
}

impl<'a> Names<'a> {
    pub(super) fn of(listing: &'a Value, lists_elements: bool) -> Self {
        let objects = listing["nftables"].as_array().into_iter().flatten();
        let kinds = ["set", "map"].into_iter();
        let objects = objects
            .flat_map(|object| {
                kinds.clone().filter_map(move |kind| Some((kind, object.get(kind)?)))
            })
            .collect();
        Self { objects, lists_elements }
    }

    pub(super) fn find(&self, kind: &str, table: &str, name: &str) -> Option<&'a Value> {
        let (family, table) = table.split_once(' ')?;
        let name = name.strip_prefix('@').unwrap_or(name);
        let mut all = self.objects.iter();
        let found = all.find(|(of, object)| {
            *of == kind
                && object["family"] == family
                && object["table"] == table
                && object["name"] == name
        });
        found.map(|(_, object)| *object)
    }
}

/// How the values of an expression are masked: `None` for a concatenation or none.
pub(super) type Form = Option<u128>;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The fields that an expression asks for, and its mask; `None` for those that are not known of a packet.
pub(super) fn field(left: &Value) -> Option<(Vec<Field>, Form)> {
    let (kind, content) = left.as_object()?.iter().next()?;
    match kind.as_str() {
        "concat" => {
            let parts = content.as_array()?.iter().map(field);
            let parts: Vec<(Vec<Field>, Form)> = parts.collect::<Option<_>>()?;
            let is_plain = parts.iter().all(|(_, mask)| mask.is_none());
            is_plain.then(|| (parts.into_iter().flat_map(|(fields, _)| fields).collect(), None))
        }
        "&" => {
            let (fields, None) = field(content.get(0)?)? else { return None };
            let [field] = &fields[..] else { return None };
            let mask = constant(field, content.get(1)?)?;
            Some((fields, Some(mask)))
        }
        _ => Some((vec![plain(kind, content)?], None)),
    }
}

fn plain(kind: &str, content: &Value) -> Option<Field> {
    let key = text(&content["key"]);
    Some(match kind {
        "payload" => match (text(&content["protocol"]), text(&content["field"])) {
            ("tcp" | "th", "dport") => Field::DestinationPort,
            ("tcp" | "th", "sport") => Field::SourcePort,
            ("tcp", "flags") => Field::TcpFlags,
            ("ip", "protocol") | ("ip6", "nexthdr") => Field::Protocol,
            ("ip" | "ip6", "saddr") => Field::Source,
            ("ip" | "ip6", "daddr") => Field::Destination,
            ("ip", "ttl") | ("ip6", "hoplimit") => Field::Hops,
            ("ip", "frag-off") => Field::Unusual,
            ("icmpv6", "type") => Field::Icmpv6Type,
            _ => return None,
        },
        "meta" => match key {
            "l4proto" => Field::Protocol,
            "nfproto" | "protocol" => Field::NetFamily,
            "iifname" | "iif" => Field::InInterface,
            "oifname" | "oif" => Field::OutInterface,
            "mark" => Field::Mark,
            "pkttype" => Field::PacketType,
            "ibrname" | "ipsec" | "secpath" => Field::Unusual,
            _ => return None,
        },
        "ct" => match key {
            "state" => Field::State,
            "status" => Field::Status,
            "direction" => Field::Direction,
            "mark" => Field::ConnectionMark,
            _ => {
                let is_original = content["dir"] == "original";
                match key.rsplit(' ').next()? {
                    "saddr" if is_original => Field::OriginalSource,
                    "saddr" => Field::ReplySource,
                    "daddr" if is_original => Field::OriginalDestination,
                    "daddr" => Field::ReplyDestination,
                    "proto-src" if is_original => Field::OriginalSourcePort,
                    "proto-src" => Field::ReplySourcePort,
                    "proto-dst" if is_original => Field::OriginalDestinationPort,
                    "proto-dst" => Field::ReplyDestinationPort,
                    _ => return None,
                }
            }
        },
        "fib" => {
            let flags = content["flags"].to_string();
            match text(&content["result"]) {
                "type" if flags.contains("daddr") => Field::DestinationType,
                "type" => Field::SourceType,
                "oif" | "oifname" if flags.contains("saddr") => Field::RouteBack,
                _ => return None,
            }
        }
        "socket" if key == "transparent" => Field::Unusual,
        "rt" if key == "ipsec" => Field::Unusual,
        "exthdr" if content["field"].is_null() => Field::Unusual,
        "tcp option" if content["name"] == "maxseg" => Field::SegmentSize,
        _ => return None,
    })
}

/// Whether a field holds bits that several may be of.
fn is_bits(field: &Field) -> bool {
    matches!(field, Field::State | Field::Status | Field::TcpFlags)
}

/// The condition that nft sets before a field of another protocol than TCP, and does not list.
pub(super) fn other_protocol(field: &Value) -> Option<Condition> {
    let number: u8 = match text(&field["payload"]["protocol"]) {
        "icmp" => 1,
        "igmp" => 2,
        "udp" => 17,
        "dccp" => 33,
        "esp" => 50,
        "ah" => 51,
        "comp" => 108,
        "sctp" => 132,
        "udplite" => 136,
        _ => {
            let parts = field["concat"].as_array().into_iter().flatten();
            return parts.chain(field["&"].get(0)).find_map(other_protocol);
        }
    };
    Some(Condition::number(Field::Protocol, number))
}

/// The condition of a `match`; `None` where it cannot be judged.
pub(super) fn matched(content: &Value, table: &str, names: &Names<'_>) -> Option<Condition> {
    let left = &content["left"];
    if let Some(condition) = other_protocol(left) {
        return Some(condition);
    }
    let (fields, mask) = field(left)?;
    let (right, op) = (&content["right"], text(&content["op"]));
    // What a packet of the other family has not, no condition on it holds for.
    let family = family_of(left);
    if let ([field], None) = (&fields[..], mask)
        && is_bits(field)
        && matches!(op, "in" | "!")
    {
        let bits = constant(field, right)?;
        let condition = Condition::bits(field.clone(), bits);
        return Some(condition.negated_if(op == "!"));
    }
    let wanted = match op {
        "<" | ">" | "<=" | ">=" => {
            let [field] = &fields[..] else { return None };
            let right = constant(field, right)?;
            vec![match op {
                "<" => right.checked_sub(1).map(|last| Wanted::Range(0, last)),
                "<=" => Some(Wanted::Range(0, right)),
                ">" => Some(Wanted::Range(right.checked_add(1)?, u128::MAX)),
                _ => Some(Wanted::Range(right, u128::MAX)),
            }]
            .into_iter()
            .flatten()
            .map(|wanted| vec![wanted])
            .collect()
        }
        _ => tuples(&fields, &mask, right, table, names)?,
    };
    let condition = Condition { fields, wanted, is_negated: op == "!=" };
    Some(of_family(condition, family))
}

/// The families whose headers an expression reads, as `NFPROTO_*`.
pub(super) fn family_of(left: &Value) -> Option<u128> {
    let text = left.to_string();
    let reads = |protocol: &str| text.contains(&format!("\"protocol\":\"{protocol}\""));
    let ct = |key: &str| text.contains(&format!("\"key\":\"{key} "));
    if reads("ip") || ct("ip") {
        Some(2)
    } else if reads("ip6") || ct("ip6") {
        Some(10)
    } else {
        None
    }
}

/// A condition that holds for packets of a family only, negated or not.
pub(super) fn of_family(mut condition: Condition, family: Option<u128>) -> Condition {
    let Some(family) = family else { return condition };
    condition.fields.insert(0, Field::Has(family));
    condition.wanted.iter_mut().for_each(|tuple| tuple.insert(0, Wanted::Any));
    condition
}

/// What an expression is compared with: one tuple for each value; `None` where it cannot be read.
pub(super) fn tuples(
    fields: &[Field],
    mask: &Form,
    right: &Value,
    table: &str,
    names: &Names<'_>,
) -> Option<Vec<Vec<Wanted>>> {
    let all = |list: &Value| {
        let each = list.as_array()?.iter().map(|one| tuples(fields, mask, one, table, names));
        Some(each.collect::<Option<Vec<_>>>()?.concat())
    };
    if let Some(name) = right.as_str().and_then(|name| name.strip_prefix('@')) {
        let set = names.find("set", table, name)?;
        if !names.lists_elements {
            return Some(vec![vec![Wanted::InSet(format!("{table} {name}")); fields.len()]]);
        }
        return if set["elem"].is_null() { Some(Vec::new()) } else { all(&set["elem"]) };
    }
    if let Some(set) = right.get("set") {
        return if set.is_array() { all(set) } else { tuples(fields, mask, set, table, names) };
    }
    if let Some(element) = right.get("elem") {
        return tuples(fields, mask, &element["val"], table, names);
    }
    if let (Some(parts), true) = (right.get("concat").and_then(Value::as_array), fields.len() > 1) {
        let each = fields.iter().zip(parts);
        let tuple = each.map(|(field, part)| wanted(field, None, part));
        return (parts.len() == fields.len())
            .then(|| tuple.collect::<Option<_>>())?
            .map(|tuple| vec![tuple]);
    }
    let [field] = fields else { return None };
    if let (Value::Array(_), false) = (right, is_bits(field)) {
        return all(right);
    }
    Some(vec![vec![wanted(field, *mask, right)?]])
}

/// What one value stands for.
fn wanted(field: &Field, mask: Form, right: &Value) -> Option<Wanted> {
    if let Some(mask) = mask {
        return Some(Wanted::Masked { mask, value: constant(field, right)? });
    }
    if matches!(field, Field::InInterface | Field::OutInterface) {
        let name = right.as_str()?;
        return Some(match name.strip_suffix('*').filter(|name| !name.ends_with('\\')) {
            Some(prefix) => Wanted::Prefix(prefix.to_owned()),
            None => Wanted::Name(name.replace("\\*", "*")),
        });
    }
    if let Some(range) = right.get("range") {
        return Some(Wanted::Range(
            constant(field, range.get(0)?)?,
            constant(field, range.get(1)?)?,
        ));
    }
    if let Some(prefix) = right.get("prefix") {
        let (start, length) = (&prefix["addr"], prefix["len"].as_u64()?);
        let bits = match start {
            Value::String(start) if start.contains(':') => 128,
            _ => 32,
        };
        return Some(Wanted::network(constant(field, start)?, bits, length.try_into().ok()?));
    }
    constant(field, right).map(Wanted::exactly)
}

/// A constant as a number; several bits as their sum.
fn constant(field: &Field, right: &Value) -> Option<u128> {
    match right {
        Value::Number(number) => number.as_u64().map(Into::into),
        Value::Bool(is_there) => Some((*is_there).into()),
        Value::Array(all) => all.iter().try_fold(0, |bits, one| Some(bits | constant(field, one)?)),
        Value::String(name) => match field {
            Field::Source
            | Field::Destination
            | Field::OriginalSource
            | Field::OriginalDestination
            | Field::ReplySource
            | Field::ReplyDestination => address(name),
            // Where nft does not know the type of a value, it writes `0x18eb [invalid type]`.
            _ => named(field, name.split(' ').next()?),
        },
        Value::Object(object) => match object.iter().next() {
            Some((kind, all)) if kind == "|" => constant(field, all),
            _ => None,
        },
        Value::Null => None,
    }
}
