//! Follows a redirected client's first packet through what nft lists. Runs nothing.

use super::packet::{JUMP_DEPTH, Packet as Client};
use crate::family::Family;
use crate::firewall::iptables::variant::Variant;
use serde_json::{Value, json};

/// What an address or an interface is that no rule names.
const UNNAMED: &str = "(unnamed)";

/// Every filter chain of others on the way in that stops the packet: its table, its name and the packet's family.
pub(super) fn stopping_chains(listing: &Value, client: &Client) -> Vec<(String, String, Family)> {
    let Client { listener_port, reserved_port, shared } = *client;
    let mut stopping = Vec::new();
    for family in Family::BOTH {
        let packet = Packet { listing, family, listener_port, reserved_port };
        for chain in packet.objects("chain").filter(|chain| chain["hook"] == "input") {
            let (table, name) = (text(chain, "table"), text(chain, "name"));
            let is_shared = shared == Some(Variant::Nft)
                && matches!(text(chain, "family"), "ip" | "ip6")
                && (table, name) == ("filter", "INPUT");
            if table == "redisguard" || is_shared || chain["type"] != "filter" {
                continue;
            }
            let end = packet.passes(chain, JUMP_DEPTH);
            let policy = chain["policy"] == "drop";
            if end == End::Stopped || (end == End::Returned && policy) {
                let table = format!("{} {table}", text(chain, "family"));
                stopping.push((table, name.to_owned(), family));
            }
        }
    }
    stopping
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

/// How a packet leaves a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Accepted,
    Stopped,
    Returned,
}

/// The first packet of a redirected client, and the rules that it meets.
struct Packet<'a> {
    listing: &'a Value,
    family: Family,
    /// Where it is led, and what nf_tables shows as its destination.
    listener_port: u16,
    /// Where it was sent to.
    reserved_port: u16,
}

impl<'a> Packet<'a> {
    /// All objects of a kind that packets of this family can meet.
    fn objects(&self, kind: &'static str) -> impl Iterator<Item = &'a Value> {
        let own = self.family.kernel_name();
        let all = self.listing["nftables"].as_array().into_iter().flatten();
        all.filter_map(move |object| object.get(kind))
            .filter(move |object| matches!(text(object, "family"), family if family == own || family == "inet"))
    }

    /// Follows the packet through a chain; `at` names it by family, table and name.
    fn passes(&self, at: &Value, depth: usize) -> End {
        let rules = self.objects("rule").filter(|rule| {
            rule["family"] == at["family"]
                && rule["table"] == at["table"]
                && rule["chain"] == at["name"]
        });
        for rule in rules {
            if let Some(end) = self.rule(rule, at, depth) {
                return end;
            }
        }
        End::Returned
    }

    /// How the packet leaves the chain by a rule; `None` where it goes on to the next one.
    fn rule(&self, rule: &Value, at: &Value, depth: usize) -> Option<End> {
        for statement in rule["expr"].as_array()? {
            let (kind, content) = statement.as_object()?.iter().next()?;
            match kind.as_str() {
                "match" if !self.matches(content, at) => return None,
                "limit" if content["inv"] == true => return None,
                "xt" if content["type"] == "match" => return None,
                "vmap" => {
                    let verdict = self.verdict_in_map(content, at)?;
                    return self.verdict(verdict, at, depth);
                }
                _ => {
                    if let Some(end) = self.verdict(statement, at, depth) {
                        return Some(end);
                    }
                }
            }
        }
        None
    }

    /// How the packet leaves the chain by a verdict; `None` where it is none, or the packet comes back.
    fn verdict(&self, statement: &Value, at: &Value, depth: usize) -> Option<End> {
        let (kind, content) = statement.as_object()?.iter().next()?;
        match kind.as_str() {
            "accept" | "queue" => Some(End::Accepted),
            "drop" | "reject" => Some(End::Stopped),
            "xt" if content["name"] == "REJECT" => Some(End::Stopped),
            "return" => Some(End::Returned),
            "jump" | "goto" if depth > 0 => {
                let there = json!({
                    "family": at["family"], "table": at["table"], "name": content["target"],
                });
                let end = self.passes(&there, depth - 1);
                (end != End::Returned || kind == "goto").then_some(end)
            }
            _ => None,
        }
    }

    /// The verdict that a map has for the packet.
    fn verdict_in_map(&self, map: &'a Value, at: &Value) -> Option<&'a Value> {
        let values = self.values(&map["key"])?;
        let data = match map["data"].as_str() {
            Some(name) => &self.named("map", name, at)?["elem"],
            None => &map["data"]["set"],
        };
        let pairs = data.as_array()?.iter();
        let mut pairs = pairs.filter_map(|pair| Some((pair.get(0)?, pair.get(1)?)));
        let found = pairs.find(|(key, _)| values.iter().any(|value| self.is_in(value, key, at)));
        found.map(|(_, verdict)| verdict)
    }

    fn matches(&self, content: &Value, at: &Value) -> bool {
        let Some(values) = self.values(&content["left"]) else { return false };
        let right = &content["right"];
        let compared = |holds: fn(u64, u64) -> bool| {
            let right = right.as_u64();
            let mut pairs = values.iter().filter_map(|value| value.as_u64().zip(right));
            pairs.any(|(left, right)| holds(left, right))
        };
        match text(content, "op") {
            "<" => compared(|left, right| left < right),
            ">" => compared(|left, right| left > right),
            "<=" => compared(|left, right| left <= right),
            ">=" => compared(|left, right| left >= right),
            op => values.iter().any(|value| self.is_in(value, right, at)) != (op == "!="),
        }
    }

    /// The packet's value of an expression, in each form that nft may write it; empty where it has none,
    /// `None` where it cannot be known.
    fn values(&self, left: &Value) -> Option<Vec<Value>> {
        let (kind, content) = left.as_object()?.iter().next()?;
        let own = self.family.kernel_name();
        let values = match kind.as_str() {
            // A mask: what it leaves is compared by the name of a flag or state.
            "&" => return self.values(content.get(0)?),
            "payload" => match (text(content, "protocol"), text(content, "field")) {
                ("tcp" | "th", "dport") => json!([self.listener_port]),
                ("tcp", "flags") => json!(["syn"]),
                ("ip", "protocol") | ("ip6", "nexthdr") => json!(["tcp", 6]),
                (protocol, "saddr") if protocol == own => json!([UNNAMED]),
                (protocol @ ("ip" | "ip6"), _) if protocol != own => json!([]),
                ("udp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "ah" | "esp", _) => json!([]),
                _ => return None,
            },
            "meta" => match text(content, "key") {
                "l4proto" => json!(["tcp", 6]),
                "nfproto" => json!([self.family.name().to_lowercase()]),
                "protocol" => json!([own]),
                "iifname" | "iif" | "iifgroup" => json!([UNNAMED]),
                "pkttype" => json!(["host", "unicast"]),
                _ => return None,
            },
            "ct" => match text(content, "key") {
                "state" => json!(["new"]),
                "status" => json!(["dnat"]),
                "direction" => json!(["original"]),
                "proto-dst" if content["dir"] == "original" => json!([self.reserved_port]),
                _ => return None,
            },
            "fib" if content["result"] == "type" => json!(["local"]),
            _ => return None,
        };
        values.as_array().cloned()
    }

    /// Whether a value is the wanted one, or in the wanted set or range.
    fn is_in(&self, value: &Value, wanted: &Value, at: &Value) -> bool {
        let any = |list: &Value| {
            list.as_array().into_iter().flatten().any(|wanted| self.is_in(value, wanted, at))
        };
        match wanted {
            Value::String(name) if name.starts_with('@') => {
                self.named("set", &name[1..], at).is_some_and(|set| any(&set["elem"]))
            }
            Value::Array(_) => any(wanted),
            Value::Object(object) => match object.iter().next() {
                Some((kind, list)) if kind == "set" => any(list),
                Some((kind, element)) if kind == "elem" => self.is_in(value, &element["val"], at),
                Some((kind, ends)) if kind == "range" => {
                    let ends = ends[0].as_u64().zip(ends[1].as_u64());
                    let within = ends.zip(value.as_u64());
                    within.is_some_and(|((first, last), value)| (first..=last).contains(&value))
                }
                _ => false,
            },
            _ => value == wanted || wanted == "*",
        }
    }

    /// A named set or map of the same table.
    fn named(&self, kind: &'static str, name: &str, at: &Value) -> Option<&'a Value> {
        let name = name.trim_start_matches('@');
        self.objects(kind).find(|object| {
            object["family"] == at["family"]
                && object["table"] == at["table"]
                && object["name"] == name
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Which families a chain `inet filter input` with these rules stops.
    fn stopped(policy: &str, rules: &[Value]) -> Vec<Family> {
        let chain = |name: &str| json!({"family": "inet", "table": "filter", "name": name});
        let mut base = chain("input");
        let more = json!({"type": "filter", "hook": "input", "prio": 0, "policy": policy});
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut all = vec![
            json!({"chain": base}),
            json!({"set": {"family": "inet", "table": "filter", "name": "ports",
                   "elem": [22, {"elem": {"val": 63790}}, {"range": [7000, 7002]}]}}),
            json!({"rule": {"family": "inet", "table": "filter", "chain": "other",
                   "expr": [{"reject": null}]}}),
        ];
        all.extend(rules.iter().map(|expr| {
            json!({"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": expr}})
        }));
        let client =
            Client { listener_port: 63790, reserved_port: 6379, shared: Some(Variant::Nft) };
        let stopping = stopping_chains(&json!({"nftables": all}), &client);
        stopping.into_iter().map(|(.., family)| family).collect()
    }

    fn meets(left: &str, op: &str, right: &Value) -> Value {
        let left: Value = serde_json::from_str(left).unwrap();
        json!({"match": {"op": op, "left": left, "right": right}})
    }

    const PORT: &str = r#"{"payload": {"protocol": "tcp", "field": "dport"}}"#;
    const STATE: &str = r#"{"ct": {"key": "state"}}"#;
    const INTERFACE: &str = r#"{"meta": {"key": "iifname"}}"#;

    #[test]
    fn a_policy_that_drops_stops_them_unless_a_rule_lets_them_in() {
        let accept = json!({"accept": null});
        assert_eq!(stopped("accept", &[]), []);
        assert_eq!(stopped("drop", &[]), Family::BOTH);
        let lets_in = [
            meets(r#"{"ct": {"key": "status"}}"#, "in", &json!("dnat")),
            meets(PORT, "==", &json!("@ports")),
            meets(PORT, "==", &json!({"set": [22, {"range": [60000, 65535]}]})),
            meets(PORT, ">=", &json!(1024)),
            meets(r#"{"ct": {"key": "proto-dst", "dir": "original"}}"#, "==", &json!(6379)),
            meets(INTERFACE, "!=", &json!("lo")),
        ];
        for rule in lets_in {
            assert_eq!(stopped("drop", &[json!([rule, accept])]), [], "{rule}");
        }
        let keeps_out = [
            meets(STATE, "in", &json!(["established", "related"])),
            meets(PORT, "==", &json!({"set": [22, 6379]})),
            meets(INTERFACE, "==", &json!("lo")),
            meets(r#"{"payload": {"protocol": "ip", "field": "saddr"}}"#, "==", &json!("10.0.0.1")),
            meets(r#"{"meta": {"key": "mark"}}"#, "!=", &json!(1)),
            json!({"xt": {"type": "match", "name": "recent"}}),
        ];
        for rule in keeps_out {
            assert_eq!(stopped("drop", &[json!([rule, accept])]), Family::BOTH, "{rule}");
        }
    }

    #[test]
    fn a_rule_for_one_family_lets_that_one_in() {
        let four = meets(r#"{"meta": {"key": "nfproto"}}"#, "==", &json!("ipv4"));
        assert_eq!(stopped("drop", &[json!([four, {"accept": null}])]), [Family::V6]);
    }

    #[test]
    fn jumps_maps_and_rejections_are_followed() {
        let other = json!({"jump": {"target": "other"}});
        assert_eq!(stopped("accept", &[json!([other])]), Family::BOTH);
        let key: Value = serde_json::from_str(STATE).unwrap();
        let map = |state: &str| json!([{"vmap": {"key": key, "data": {"set": [["invalid", {"drop": null}], [state, other]]}}}]);
        assert_eq!(stopped("accept", &[map("new")]), Family::BOTH);
        assert_eq!(stopped("accept", &[map("established")]), []);
        let target = json!([{"xt": {"type": "target", "name": "REJECT"}}]);
        assert_eq!(stopped("accept", &[json!([{"accept": null}]), target]), []);
    }
}
