//! The rules that iptables-save lists, judged for an outsider's packet. Runs nothing.

use super::walk::{
    Action, BaseChains, Condition, End, Ends, Hook, Packet, Rules, Stoppers, chain_ends,
};
use crate::firewall::iptables::chains::PREFIX;
use std::collections::BTreeMap;

/// The base chains of iptables that an outsider's packet can meet: table, chain, hook and priority
/// (`NF_IP_PRI_*` in linux/netfilter_ipv4.h).
const BASE_CHAINS: [(&str, &str, Hook, i64); 9] = [
    ("raw", "PREROUTING", Hook::Prerouting, -300),
    ("mangle", "PREROUTING", Hook::Prerouting, -150),
    ("nat", "PREROUTING", Hook::Translation, -100),
    ("mangle", "INPUT", Hook::Input, -150),
    ("filter", "INPUT", Hook::Input, 0),
    ("security", "INPUT", Hook::Input, 50),
    ("mangle", "FORWARD", Hook::Forward, -150),
    ("filter", "FORWARD", Hook::Forward, 0),
    ("security", "FORWARD", Hook::Forward, 50),
];

/// Targets that change, mark, count or log a packet, which then meets the next rule (iptables-extensions(8)).
const GO_ON: [&str; 23] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TOS",
    "TRACE",
    "ULOG",
];

/// Modules that ask for nothing by themselves: their options do.
const MODULES: [&str; 12] = [
    "addrtype",
    "comment",
    "conntrack",
    "hl",
    "limit",
    "mac",
    "mark",
    "multiport",
    "pkttype",
    "state",
    "tcp",
    "ttl",
];

/// A rule: its words behind `-A CHAIN`.
type Rule = Vec<String>;

/// One table.
#[derive(Debug, Default)]
pub(super) struct Table {
    chains: BTreeMap<String, Vec<Rule>>,
    policies: BTreeMap<String, String>,
}

/// The tables that iptables-save has printed, by name.
pub(super) fn tables(saved: &str) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::<String, Table>::new();
    let mut current = String::new();
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut current);
            tables.entry(current.clone()).or_default();
        }
        let Some(table) = tables.get_mut(&current) else { continue };
        if let Some(declared) = line.strip_prefix(':') {
            let (name, rest) = declared.split_once(' ').unwrap_or((declared, ""));
            let policy = rest.split(' ').next().unwrap_or_default();
            table.chains.entry(name.to_owned()).or_default();
            table.policies.insert(name.to_owned(), policy.to_owned());
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let mut words = words(rule);
            let chain = words.remove(0);
            table.chains.entry(chain).or_default().push(words);
        }
    }
    tables
}

/// The words of a line: at blanks, but for those inside of quotes, where a backslash keeps the next letter.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => word.extend(letters.next()),
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words
}

/// Adds the base chains of tables to those that a packet meets.
pub(super) fn add_base_chains<'a>(
    tables: &'a BTreeMap<String, Table>,
    chains: &mut BaseChains<'a>,
) {
    for (name, chain, hook, priority) in BASE_CHAINS {
        let Some(table) = tables.get(name) else { continue };
        chains.push((
            hook,
            priority,
            Box::new(move |packet, stoppers| table.base_chain(chain, packet, stoppers)),
        ));
    }
}

impl Table {
    fn base_chain(&self, chain: &str, packet: &mut Packet, stoppers: Stoppers) -> Ends {
        let mut ends = chain_ends(self, chain, packet, stoppers);
        let drops = self.policies.get(chain).is_some_and(|policy| policy == "DROP");
        if drops && stoppers == Stoppers::All {
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
        chain.starts_with(PREFIX)
    }

    fn judge<'a>(&'a self, rule: &'a Rule, packet: &Packet) -> (Condition, Action<'a>) {
        let at = rule.iter().position(|word| word == "-j" || word == "-g");
        let (asked, done) = rule.split_at(at.unwrap_or(rule.len()));
        let asked = condition(asked, packet);
        let action = match done {
            [verb, target, options @ ..] => self.action(verb, target, options, packet),
            // Only counts.
            _ => Action::End(End::Next),
        };
        (asked, action)
    }
}

impl Table {
    fn action<'a>(
        &self,
        verb: &str,
        target: &'a str,
        options: &[String],
        packet: &Packet,
    ) -> Action<'a> {
        let option = |name: &str| {
            let at = options.iter().position(|word| word == name)?;
            options.get(at + 1).map(String::as_str)
        };
        let number = |name: &str| option(name).and_then(|value| value.parse().ok());
        match target {
            "ACCEPT" => Action::End(End::Accepted),
            "DROP" | "REJECT" => Action::End(End::Stopped),
            "RETURN" => Action::End(End::Returned),
            "REDIRECT" => match option("--to-ports").map(str::parse) {
                None => Action::End(packet.to_port(None)),
                Some(Ok(port)) => Action::End(packet.to_port(Some(port))),
                Some(Err(_)) => Action::End(End::ToOtherPort),
            },
            "DNAT" => {
                let port = option("--to-destination").and_then(|to| to.strip_prefix(':'));
                match port.and_then(|port| port.parse().ok()) {
                    Some(port) => Action::End(packet.to_port(Some(port))),
                    None => Action::End(End::ToOtherHost),
                }
            }
            "NETMAP" => Action::End(End::ToOtherHost),
            "TTL" | "HL" => {
                let hops = number("--ttl-set").or_else(|| number("--hl-set"));
                hops.map_or(Action::End(End::Next), Action::SetHops)
            }
            target if GO_ON.contains(&target) => Action::End(End::Next),
            target if self.chains.contains_key(target) && verb == "-g" => Action::Goto(target),
            target if self.chains.contains_key(target) => Action::Jump(target),
            _ => Action::Unknown,
        }
    }
}

/// Whether all that a rule asks for holds.
fn condition(words: &[String], packet: &Packet) -> Condition {
    let mut all = Condition::Yes;
    let mut words = words.iter().map(String::as_str).peekable();
    let mut is_negated = false;
    while let Some(option) = words.next() {
        if option == "!" {
            is_negated = true;
            continue;
        }
        let mut values = Vec::new();
        while let Some(value) = words.next_if(|word| *word != "!" && !word.starts_with('-')) {
            values.push(value);
        }
        all = all.and(holds(option, &values, packet).negated_if(is_negated));
        is_negated = false;
    }
    all
}

/// Whether one condition holds.
fn holds(option: &str, values: &[&str], packet: &Packet) -> Condition {
    let value = values.first().copied().unwrap_or_default();
    let any = |known: &[&str]| Condition::of(value.split(',').any(|one| known.contains(&one)));
    let port = |port: Option<u16>| match port {
        Some(port) => Condition::of(is_listed(value, port)),
        None => Condition::Unknown,
    };
    match option {
        "-m" if MODULES.contains(&value) => Condition::Yes,
        "-p" | "--ctproto" => any(&["tcp", "6", "all"]),
        "-i" if value == "+" => Condition::Yes,
        "-i" if value == "lo" => Condition::No,
        "-i" => Condition::Named,
        "-s" => source(value, packet),
        "-d" if matches!(value, "127.0.0.0/8" | "::1/128") => Condition::No,
        "--dport" | "--dports" => port(packet.port),
        "--ports" => Condition::Named,
        "--sport" | "--sports" => Condition::Named,
        "--ctorigdstport" => port(Some(packet.reserved)),
        "--tcp-flags" => match values {
            [mask, wanted] => {
                let is_asked = mask.split(',').any(|flag| flag == "SYN");
                Condition::of(*wanted == if is_asked { "SYN" } else { "NONE" })
            }
            _ => Condition::Unknown,
        },
        "--syn" | "--comment" | "--limit-burst" => Condition::Yes,
        "--ctstate" | "--state" if packet.is_translated() => any(&["NEW", "DNAT"]),
        "--ctstate" | "--state" => any(&["NEW"]),
        "--ctdir" => Condition::of(value == "ORIGINAL"),
        "--dst-type" if !packet.is_translated() => any(&["LOCAL"]),
        "--src-type" => any(&["UNICAST"]),
        "--pkt-type" => Condition::of(value == "unicast"),
        "--ttl-lt" | "--hl-lt" => match (packet.hops, value.parse::<u8>()) {
            (Some(hops), Ok(bound)) => Condition::of(hops < bound),
            (None, Ok(_)) if !packet.unsure_hops => Condition::Named,
            _ => Condition::Unknown,
        },
        _ => Condition::Unknown,
    }
}

/// Whether an outsider has an address of a network.
fn source(network: &str, packet: &Packet) -> Condition {
    match network {
        "0.0.0.0/0" | "::/0" => Condition::Yes,
        "127.0.0.0/8" | "::1/128" => Condition::No,
        network => match network.parse() {
            Ok(network) if packet.allow.contains(&network) => Condition::No,
            _ => Condition::Named,
        },
    }
}

/// Whether a list of ports and ranges (`22,80:90`) has a port.
fn is_listed(list: &str, port: u16) -> bool {
    list.split(',').any(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let first = first.parse().unwrap_or(0);
        (first..=last.parse().unwrap_or(u16::MAX)).contains(&port)
    })
}
