//! Reads the rules that `nft --json list ruleset` prints (libnftables-json(5)). Runs nothing.

mod matches;

use self::matches::{Names, family_of, field, matched, of_family, other_protocol, tuples};
use super::condition::{Condition, Field, Wanted};
use super::rule::{Action, Base, Hook, Lister, Mark, Rule, Ruleset, Step, Target};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Adds all tables but those for which `skips` says so, by name: `inet filter`. `lists_elements`: the listing was
/// made without `--terse`.
pub(super) fn read(
    listing: &Value,
    lists_elements: bool,
    skips: &dyn Fn(&str) -> bool,
    ruleset: &mut Ruleset,
) {
    let objects = || listing["nftables"].as_array().into_iter().flatten();
    let names = Names::of(listing, lists_elements);
    // No packet meets the chains of such a table (nft(8)). Several flags are listed as an array.
    let tables = objects().filter_map(|object| object.get("table"));
    let dormant = tables.filter(|table| table["flags"].to_string().contains("\"dormant\""));
    let dormant: BTreeSet<String> = dormant
        .map(|table| format!("{} {}", text(&table["family"]), text(&table["name"])))
        .collect();
    let skips = |table: &str| dormant.contains(table) || skips(table);
    for chain in objects().filter_map(|object| object.get("chain")) {
        let table = table_of(chain);
        if !skips(&table) {
            let index = ruleset.chain(Lister::Nft, &table, text(&chain["name"]));
            ruleset.chains[index].base = base(chain);
        }
    }
    for rule in objects().filter_map(|object| object.get("rule")) {
        let table = table_of(rule);
        if skips(&table) {
            continue;
        }
        let reader = Reader { names: &names, table: &table };
        let statements = rule["expr"].as_array().into_iter().flatten();
        let steps = statements.flat_map(|statement| {
            reader.steps(statement, &mut |chain| ruleset.chain(Lister::Nft, &table, chain))
        });
        let steps = steps.collect();
        let index = ruleset.chain(Lister::Nft, &table, text(&rule["chain"]));
        let handle = rule["handle"].as_u64().unwrap_or(0);
        ruleset.chains[index].rules.push(Rule { steps, text: String::new(), handle });
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An object's table as nft names it.
fn table_of(object: &Value) -> String {
    format!("{} {}", text(&object["family"]), text(&object["table"]))
}

fn base(chain: &Value) -> Option<Base> {
    let is_bridge = chain["family"] == "bridge";
    let hook = match text(&chain["hook"]) {
        "ingress" => Hook::Ingress,
        "egress" => Hook::Egress,
        "prerouting" if is_bridge => Hook::BridgePrerouting,
        "input" if is_bridge => Hook::BridgeInput,
        "output" if is_bridge => Hook::BridgeOutput,
        "postrouting" if is_bridge => Hook::BridgePostrouting,
        "prerouting" => Hook::Prerouting,
        "input" => Hook::Input,
        "forward" => Hook::Forward,
        "output" => Hook::Output,
        "postrouting" => Hook::Postrouting,
        _ => return None,
    };
    let devices = match &chain["dev"] {
        Value::String(device) => vec![device.clone()],
        Value::Array(devices) => devices.iter().map(text).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Some(Base {
        hook,
        priority: chain["prio"].as_i64().unwrap_or(0),
        is_nat: chain["type"] == "nat",
        drops: chain["policy"] == "drop",
        devices,
    })
}

/// Reads the rules of one table.
struct Reader<'a> {
    names: &'a Names<'a>,
    table: &'a str,
}

impl Reader<'_> {
    fn steps(&self, statement: &Value, chain: &mut dyn FnMut(&str) -> usize) -> Vec<Step> {
        let unknown = || Condition::unknown(format!("{} {statement}", self.table));
        let Some((kind, content)) = statement.as_object().and_then(|object| object.iter().next())
        else {
            // `"accept"` would do as well.
            return vec![Step::Do(self.verdict(text(statement), &Value::Null, chain))];
        };
        match kind.as_str() {
            "match" => {
                let found = matched(content, self.table, self.names);
                vec![Step::If(found.unwrap_or_else(unknown))]
            }
            "limit" => vec![Step::If(limit(content))],
            "ct count" => vec![Step::If(connections(content))],
            // An element with a limit of its own matches by that; without, it always does.
            "set" | "meter" => {
                let own = match &content["stmt"] {
                    Value::Array(all) => all.iter().collect(),
                    Value::Null => Vec::new(),
                    one => vec![one],
                };
                own.into_iter().flat_map(|statement| self.steps(statement, chain)).collect()
            }
            "vmap" => {
                let first = other_protocol(&content["key"]).map(Step::If);
                let choices = self.choices(content, &mut |reader, verdict| {
                    let (kind, content) = verdict.as_object()?.iter().next()?;
                    Some(reader.verdict(kind, content, chain))
                });
                let choice = choices.map_or_else(|| Step::Do(Action::Unknown), Step::Choose);
                first.into_iter().chain([choice]).collect()
            }
            "mangle" => vec![Step::Do(self.mangle(content))],
            "dnat" => self.translation(content),
            "quota" | "xt" if kind == "quota" || content["type"] == "match" => {
                vec![Step::If(unknown())]
            }
            _ => vec![Step::Do(self.verdict(kind, content, chain))],
        }
    }

    /// What a statement that asks nothing does.
    fn verdict(&self, kind: &str, content: &Value, chain: &mut dyn FnMut(&str) -> usize) -> Action {
        match kind {
            "accept" => Action::Accept,
            "drop" | "reject" => Action::Drop,
            "fwd" | "tproxy" => Action::Divert,
            "return" => Action::Return,
            "jump" => Action::Jump(chain(text(&content["target"]))),
            "goto" => Action::Goto(chain(text(&content["target"]))),
            "notrack" => Action::Untrack,
            "redirect" => Action::Translate(target(content)),
            "snat" | "masquerade" => Action::Accept,
            "queue" => queue(content),
            "counter" | "log" | "dup" | "ct helper" | "ct timeout" | "ct expectation" | "flow"
            | "last" | "secmark" | "tunnel" | "reset" | "continue" => Action::Nothing,
            "xt" => match text(&content["name"]) {
                "REJECT" | "DROP" => Action::Drop,
                "TPROXY" => Action::Divert,
                "LOG" | "NFLOG" | "AUDIT" | "TRACE" | "TCPMSS" | "DSCP" | "TOS" | "CLASSIFY"
                | "CHECKSUM" => Action::Nothing,
                "NOTRACK" => Action::Untrack,
                "MASQUERADE" | "SNAT" => Action::Accept,
                _ => Action::Unknown,
            },
            _ => Action::Unknown,
        }
    }

    /// A map as conditions in turn, each with what `action` makes of the value; `None` where it cannot be read.
    fn choices(
        &self,
        content: &Value,
        action: &mut dyn FnMut(&Self, &Value) -> Option<Action>,
    ) -> Option<Vec<(Condition, Action)>> {
        let (fields, form) = field(&content["key"])?;
        let data = match content["data"].as_str() {
            Some(name) => &self.names.find("map", self.table, name)?["elem"],
            None => &content["data"]["set"],
        };
        let mut choices = Vec::new();
        let mut otherwise = None;
        for pair in data.as_array().into_iter().flatten() {
            let (key, value) = (pair.get(0)?, pair.get(1)?);
            let action = action(self, value).unwrap_or(Action::Unknown);
            if *key == "*" {
                otherwise = Some((always(), action));
                continue;
            }
            let wanted = tuples(&fields, &form, key, self.table, self.names);
            let condition = match wanted {
                Some(wanted) => {
                    let condition = Condition { fields: fields.clone(), wanted, is_negated: false };
                    of_family(condition, family_of(&content["key"]))
                }
                None => Condition::unknown(format!("{} {key}", self.table)),
            };
            choices.push((condition, action));
        }
        choices.extend(otherwise);
        Some(choices)
    }

    fn translation(&self, content: &Value) -> Vec<Step> {
        let elsewhere = Action::Translate(Target::Elsewhere);
        let map = ["addr", "port"].map(|key| &content[key]["map"]);
        if let Some(map) = map.into_iter().find(|map| map.is_object()) {
            // What the map does not have is not translated.
            let choices = self.choices(map, &mut |_, _| Some(elsewhere.clone()));
            return vec![choices.map_or_else(|| Step::Do(Action::Unknown), Step::Choose)];
        }
        vec![Step::Do(Action::Translate(target(content)))]
    }

    fn mangle(&self, content: &Value) -> Action {
        let (key, value) = (&content["key"], &content["value"]);
        let is = |object: &Value, kind: &str, key: &str| object[kind]["key"] == key;
        let mark = |own: (&str, &str), other: (&str, &str)| {
            mark(value, &|value| is(value, own.0, own.1), &|value| is(value, other.0, other.1))
        };
        if is(key, "meta", "mark") {
            return Action::SetMark(mark(("meta", "mark"), ("ct", "mark")));
        }
        if is(key, "ct", "mark") {
            return Action::SetConnectionMark(mark(("ct", "mark"), ("meta", "mark")));
        }
        match field(key).map(|(fields, _)| fields).as_deref() {
            Some([Field::Hops]) => {
                value.as_u64().map_or(Action::Unknown, |hops| Action::SetHops(hops.into()))
            }
            // Priorities, DSCP, trace and options of TCP decide on no packet here.
            _ if key["meta"].is_object() || key["tcp option"].is_object() => Action::Nothing,
            _ if key["payload"]["field"] == "dscp" || key["payload"]["field"] == "ecn" => {
                Action::Nothing
            }
            _ => Action::Unknown,
        }
    }
}

/// Where a `redirect` or `dnat` leads.
fn target(content: &Value) -> Target {
    let (address, port) = (&content["addr"], &content["port"]);
    match port.as_u64().and_then(|port| port.try_into().ok()) {
        _ if !address.is_null() => Target::Elsewhere,
        Some(port) => Target::Port(port),
        None if port.is_null() => Target::SamePort,
        None => Target::SomePort,
    }
}

/// A condition that always holds.
fn always() -> Condition {
    Condition::new(Field::Unusual, vec![Wanted::Any])
}

/// A mark of a number, of itself or of the other mark.
fn mark(value: &Value, is_own: &dyn Fn(&Value) -> bool, is_other: &dyn Fn(&Value) -> bool) -> Mark {
    const ALL: u128 = u32::MAX as u128;
    if let Some(number) = value.as_u64() {
        return Mark::Own { keep: 0, flip: number.into() };
    }
    if is_own(value) {
        return Mark::Own { keep: ALL, flip: 0 };
    }
    if is_other(value) {
        return Mark::Other { keep: 0, take: ALL };
    }
    let Some((kind, pair)) = value.as_object().and_then(|object: &Map<_, _>| object.iter().next())
    else {
        return Mark::Unknown;
    };
    let number = pair.get(1).and_then(Value::as_u64).map(u128::from);
    let (Some(number), Some(of)) = (number, pair.get(0)) else { return Mark::Unknown };
    match (kind.as_str(), mark(of, is_own, is_other)) {
        ("&", Mark::Own { keep, flip }) => Mark::Own { keep: keep & number, flip: flip & number },
        ("^", Mark::Own { keep, flip }) => Mark::Own { keep, flip: flip ^ number },
        ("|", Mark::Own { keep, flip }) => {
            Mark::Own { keep: keep & !number, flip: flip & !number | number }
        }
        ("&", Mark::Other { keep, take }) => {
            Mark::Other { keep: keep & number, take: take & number }
        }
        _ => Mark::Unknown,
    }
}

/// A limit that is not exceeded, or with `inv`, one that is.
fn limit(content: &Value) -> Condition {
    let burst = content["burst"].as_u64().filter(|burst| *burst > 0).unwrap_or(5);
    let over = Condition::number(Field::OverLimit(burst.into()), 1u8);
    over.negated_if(content["inv"] != true)
}

/// No more connections than a number, or with `inv`, more: this is the client's first one.
fn connections(content: &Value) -> Condition {
    let is_over = content["val"] == 0;
    let over = Condition::number(Field::OverLimit(u128::MAX), 1u8);
    over.negated_if((content["inv"] != true) != is_over)
}

fn queue(content: &Value) -> Action {
    let number = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok());
    let (first, last) = match &content["num"]["range"] {
        Value::Array(ends) => (number(&ends[0]), number(&ends[1])),
        _ => (number(&content["num"]), number(&content["num"])),
    };
    let flags = &content["flags"];
    let bypass = *flags == "bypass"
        || flags.as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "bypass"));
    let (first, last) = (first.unwrap_or(0), last.or(first).unwrap_or(u16::MAX));
    Action::Queue { first, last, bypass }
}
