//! The rules that nft lists as JSON, judged for an outsider's packet (libnftables-json(5)). Runs nothing.

use super::walk::{
    Action, BaseChains, Condition, End, Ends, Hook, Packet, Rules, Stoppers, chain_ends,
};
use crate::family::Family;
use crate::firewall::iptables::chains::PREFIX;
use crate::firewall::nftables::names::TABLE;
use ipnet::IpNet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A rule: its statements.
type Rule = Vec<Value>;

/// One table.
#[derive(Debug, Default)]
pub(super) struct Table {
    is_own: bool,
    chains: BTreeMap<String, Vec<Rule>>,
    /// Sets and maps by name; `None` for one whose elements are not listed.
    sets: BTreeMap<String, Option<Vec<Value>>>,
    base_chains: Vec<BaseChain>,
}

#[derive(Debug)]
struct BaseChain {
    name: String,
    hook: Hook,
    priority: i64,
    drops: bool,
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

/// The tables of a listing, by family and name, but for some. `has_elements`: it was not made with `--terse`.
pub(super) fn tables(
    listing: &Value,
    has_elements: bool,
    others: &BTreeSet<String>,
) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::<String, Table>::new();
    let objects = || listing["nftables"].as_array().into_iter().flatten();
    // No packet meets the chains of such a table (nft(8)). Several flags are listed as an array.
    let dormant = objects().map(|object| &object["table"]);
    let dormant = dormant.filter(|table| table["flags"].to_string().contains("\"dormant\""));
    let name = |table| format!("{} {}", text(table, "family"), text(table, "name"));
    let dormant = dormant.map(name).collect::<BTreeSet<_>>();
    for object in objects() {
        let first = object.as_object().and_then(|object| object.iter().next());
        let Some((kind, content)) = first else { continue };
        let name = format!("{} {}", text(content, "family"), text(content, "table"));
        if others.contains(&name) || dormant.contains(&name) {
            continue;
        }
        let is_own = name == TABLE;
        let table = tables.entry(name).or_insert_with(|| Table { is_own, ..Table::default() });
        match kind.as_str() {
            "chain" => table.add_chain(content),
            "rule" => {
                let rules = table.chains.entry(text(content, "chain").to_owned()).or_default();
                rules.push(content["expr"].as_array().cloned().unwrap_or_default());
            }
            "set" | "map" => {
                let elements = content["elem"].as_array().cloned().unwrap_or_default();
                let name = text(content, "name").to_owned();
                table.sets.insert(name, has_elements.then_some(elements));
            }
            _ => {}
        }
    }
    tables
}

/// Adds the base chains of tables to those that a packet of a family meets.
pub(super) fn add_base_chains<'a>(
    tables: &'a BTreeMap<String, Table>,
    family: Family,
    chains: &mut BaseChains<'a>,
) {
    let is_met = |name: &str| {
        let of = name.split(' ').next().unwrap_or_default();
        of == family.kernel_name() || matches!(of, "inet" | "netdev")
    };
    for (_, table) in tables.iter().filter(|(name, _)| is_met(name)) {
        for base in &table.base_chains {
            chains.push((
                base.hook,
                base.priority,
                Box::new(move |packet, stoppers| table.base_chain(base, packet, stoppers)),
            ));
        }
    }
}

impl Table {
    fn add_chain(&mut self, chain: &Value) {
        let name = text(chain, "name").to_owned();
        let hook = match (text(chain, "hook"), text(chain, "type")) {
            ("prerouting", "nat") => Some(Hook::Translation),
            ("prerouting" | "ingress", _) => Some(Hook::Prerouting),
            ("input", "filter") => Some(Hook::Input),
            ("forward", "filter") => Some(Hook::Forward),
            _ => None,
        };
        self.base_chains.extend(hook.map(|hook| BaseChain {
            name: name.clone(),
            hook,
            // The device's own hook comes before all others.
            priority: match text(chain, "hook") {
                "ingress" => i64::MIN,
                _ => chain["prio"].as_i64().unwrap_or_default(),
            },
            drops: chain["policy"] == "drop",
        }));
        self.chains.entry(name).or_default();
    }

    fn base_chain(&self, base: &BaseChain, packet: &mut Packet, stoppers: Stoppers) -> Ends {
        let mut ends = chain_ends(self, &base.name, packet, stoppers);
        if base.drops && (self.is_own || stoppers == Stoppers::All) {
            let returned = std::mem::take(&mut ends[End::Returned]);
            ends[End::Stopped] = ends[End::Stopped].max(returned);
        }
        ends
    }
}

impl Rules for Table {
    type Rule = Rule;

    fn chain(&self, name: &str) -> &[Rule] {
        self.chains.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn is_own(&self, chain: &str) -> bool {
        // The second where iptables' own program could not list its table.
        self.is_own || chain.starts_with(PREFIX)
    }

    fn judge<'a>(&'a self, rule: &'a Rule, packet: &Packet) -> (Condition, Action<'a>) {
        let mut all = Condition::Yes;
        let mut action = Action::End(End::Next);
        for statement in rule {
            let Some((kind, content)) =
                statement.as_object().and_then(|statement| statement.iter().next())
            else {
                return (Condition::Unknown, Action::Unknown);
            };
            match kind.as_str() {
                "match" => all = all.and(self.matches(content, packet)),
                "limit" | "set" | "map" | "ct count" => all = all.and(Condition::Unknown),
                "xt" if content["type"] == "match" => all = all.and(Condition::Unknown),
                "xt" if content["type"] == "watcher" => {}
                "vmap" => action = self.mapped(content, packet),
                kind => match self::action(kind, content, packet) {
                    // A statement that goes on: the last word is another's.
                    Action::End(End::Next) => {}
                    found => action = found,
                },
            }
        }
        (all, action)
    }
}

/// What a statement does.
fn action<'a>(kind: &str, content: &'a Value, packet: &Packet) -> Action<'a> {
    let port = || content["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    match kind {
        "accept" => Action::End(End::Accepted),
        "drop" | "reject" => Action::End(End::Stopped),
        "return" => Action::End(End::Returned),
        "jump" => Action::Jump(text(content, "target")),
        "goto" => Action::Goto(text(content, "target")),
        "redirect" if content["port"].is_null() => Action::End(packet.to_port(None)),
        "redirect" => {
            port().map_or(Action::Unknown, |port| Action::End(packet.to_port(Some(port))))
        }
        "dnat" if content["addr"].is_null() => {
            port().map_or(Action::Unknown, |port| Action::End(packet.to_port(Some(port))))
        }
        "dnat" => Action::End(End::ToOtherHost),
        "mangle" => set(content),
        "counter" | "log" | "notrack" | "continue" | "flow" | "dup" | "ct helper" | "quota"
        | "ct timeout" | "ct expectation" | "secmark" | "last" => Action::End(End::Next),
        _ => Action::Unknown,
    }
}

/// What a change of the packet does to its way.
fn set(content: &Value) -> Action<'static> {
    let key = &content["key"];
    let field = text(&key["payload"], "field");
    match (field, content["value"].as_u64().and_then(|hops| u8::try_from(hops).ok())) {
        ("ttl" | "hoplimit", Some(hops)) => Action::SetHops(hops),
        ("ttl" | "hoplimit" | "dport" | "daddr", _) => Action::Unknown,
        _ => Action::End(End::Next),
    }
}

/// What an expression is for the packet.
enum Has {
    /// One of these values: each form in which nft may write it.
    One(Vec<Value>),
    /// These flags.
    Flags(Vec<&'static str>),
    /// An address or an interface of outsiders.
    Address,
    Interface,
    /// Something that packets of this kind do not have.
    Nothing,
    Unknown,
}

fn one<const N: usize>(values: [&str; N]) -> Has {
    Has::One(values.map(Value::from).to_vec())
}

fn has(left: &Value, packet: &Packet) -> Has {
    let Some((kind, content)) = left.as_object().and_then(|left| left.iter().next()) else {
        return Has::Unknown;
    };
    let own = packet.family.kernel_name();
    let port = |port: Option<u16>| port.map_or(Has::Unknown, |port| Has::One(vec![port.into()]));
    match kind.as_str() {
        "&" => match has(&content[0], packet) {
            Has::Flags(flags) => {
                let mask = names(&content[1]);
                Has::Flags(flags.into_iter().filter(|flag| mask.contains(flag)).collect())
            }
            _ => Has::Unknown,
        },
        "payload" => match (text(content, "protocol"), text(content, "field")) {
            ("tcp" | "th", "dport") => port(packet.port),
            ("tcp" | "th", "sport") => Has::Address,
            ("tcp", "flags") => Has::Flags(vec!["syn"]),
            ("ip", "protocol") if own == "ip" => Has::One(vec!["tcp".into(), 6.into()]),
            ("ip6", "nexthdr") if own == "ip6" => Has::One(vec!["tcp".into(), 6.into()]),
            (protocol, "saddr") if protocol == own => Has::Address,
            ("ip", "ttl") | ("ip6", "hoplimit") => match packet.hops {
                Some(hops) => Has::One(vec![hops.into()]),
                None if packet.unsure_hops => Has::Unknown,
                None => Has::Address,
            },
            (protocol @ ("ip" | "ip6"), _) if protocol != own => Has::Nothing,
            ("udp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "ah" | "esp", _) => Has::Nothing,
            _ => Has::Unknown,
        },
        "meta" => match text(content, "key") {
            "l4proto" => Has::One(vec!["tcp".into(), 6.into()]),
            "nfproto" => one([&packet.family.name().to_lowercase()]),
            "protocol" => one([own]),
            "iifname" | "iif" | "iifgroup" => Has::Interface,
            "pkttype" => one(["host", "unicast"]),
            _ => Has::Unknown,
        },
        "ct" => match text(content, "key") {
            "state" => Has::Flags(vec!["new"]),
            "status" => Has::Flags(if packet.is_translated() { vec!["dnat"] } else { vec![] }),
            "direction" => one(["original"]),
            "proto-dst" if content["dir"] == "original" => port(Some(packet.reserved)),
            "l3proto" => one([own, &packet.family.name().to_lowercase()]),
            "protocol" => Has::One(vec!["tcp".into(), 6.into()]),
            _ => Has::Unknown,
        },
        "fib" if content["result"] == "type" && !packet.is_translated() => one(["local"]),
        _ => Has::Unknown,
    }
}

/// The names in a list, a sum of flags or a single name.
fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(all) => all.iter().flat_map(names).collect(),
        Value::Object(object) => object.values().flat_map(names).collect(),
        _ => Vec::new(),
    }
}

impl Table {
    fn matches(&self, content: &Value, packet: &Packet) -> Condition {
        let (operator, right) = (text(content, "op"), &content["right"]);
        let negated = operator == "!=";
        let condition = match has(&content["left"], packet) {
            Has::Unknown => return Condition::Unknown,
            Has::Nothing => return Condition::No,
            Has::Flags(flags) => {
                let wanted = names(right);
                let is_exact = operator != "in" && content["left"].get("&").is_some();
                let any = flags.iter().any(|flag| wanted.contains(flag));
                match (wanted.as_slice(), right) {
                    ([name], _) if name.starts_with('@') => Condition::Unknown,
                    _ if is_exact => {
                        Condition::of(wanted.len() == flags.len() && (any || wanted.is_empty()))
                    }
                    _ => Condition::of(any),
                }
            }
            Has::Address => self.address(right, packet),
            Has::Interface => match names(right).as_slice() {
                ["lo"] => Condition::No,
                ["*"] => Condition::Yes,
                _ => Condition::Named,
            },
            Has::One(values) => match operator {
                "<" | ">" | "<=" | ">=" => return Condition::Unknown,
                _ => self.is_any(&values, right),
            },
        };
        condition.negated_if(negated)
    }

    /// Whether an outsider has one of the named addresses.
    fn address(&self, wanted: &Value, packet: &Packet) -> Condition {
        let prefix = &wanted["prefix"];
        let network = match wanted.as_str() {
            Some(address) => address.parse().ok().map(|address: std::net::IpAddr| address.into()),
            None => format!("{}/{}", text(prefix, "addr"), prefix["len"]).parse::<IpNet>().ok(),
        };
        match network {
            Some(network) if packet.allow.contains(&network) => Condition::No,
            Some(network) if network.addr().is_loopback() => Condition::No,
            _ => Condition::Named,
        }
    }

    /// Whether one of the values is the wanted one, or in the wanted set or range.
    fn is_any(&self, values: &[Value], wanted: &Value) -> Condition {
        let mut found = Condition::No;
        for value in values {
            match self.is_in(value, wanted) {
                Some(true) => return Condition::Yes,
                Some(false) => {}
                None => found = Condition::Unknown,
            }
        }
        found
    }

    /// `None` where that cannot be known.
    fn is_in(&self, value: &Value, wanted: &Value) -> Option<bool> {
        let any = |list: &[Value]| {
            let mut found = list.iter().map(|wanted| self.is_in(value, wanted));
            let unknown = found.clone().any(|is| is.is_none());
            if found.any(|is| is == Some(true)) { Some(true) } else { (!unknown).then_some(false) }
        };
        match wanted {
            Value::String(name) if name.starts_with('@') => {
                any(self.sets.get(&name[1..])?.as_ref()?)
            }
            Value::Array(list) => any(list),
            Value::Object(object) => match object.iter().next()? {
                (kind, Value::Array(list)) if kind == "set" => any(list),
                (kind, element) if kind == "elem" => self.is_in(value, &element["val"]),
                (kind, range) if kind == "range" => {
                    let (first, last) = (range[0].as_u64()?, range[1].as_u64()?);
                    Some((first..=last).contains(&value.as_u64()?))
                }
                _ => None,
            },
            wanted => Some(value == wanted),
        }
    }

    /// What a map of verdicts does.
    fn mapped<'a>(&'a self, map: &'a Value, packet: &Packet) -> Action<'a> {
        let values = match has(&map["key"], packet) {
            Has::One(values) => values,
            Has::Flags(flags) => flags.into_iter().map(Value::from).collect(),
            _ => return Action::Unknown,
        };
        let pairs = match map["data"].as_str() {
            Some(name) => match self.sets.get(name.trim_start_matches('@')) {
                Some(Some(pairs)) => pairs,
                _ => return Action::Unknown,
            },
            None => match map["data"]["set"].as_array() {
                Some(pairs) => pairs,
                None => return Action::Unknown,
            },
        };
        for pair in pairs {
            match self.is_any(&values, &pair[0]) {
                Condition::Yes => {
                    let verdict = pair[1].as_object().and_then(|verdict| verdict.iter().next());
                    return verdict
                        .map_or(Action::Unknown, |(kind, content)| action(kind, content, packet));
                }
                Condition::No => {}
                _ => return Action::Unknown,
            }
        }
        Action::End(End::Next)
    }
}
