//! Follows a redirected client's first packet through what iptables-save lists. Runs nothing.

use super::packet::{IPTABLES_CHAIN, JUMP_DEPTH, Packet};
use crate::firewall::iptables::chains::PREFIX;
use std::collections::BTreeMap;

/// One table of iptables: every chain with its rules as words, and the policies of those that have one.
#[derive(Debug, Default)]
pub(super) struct Table {
    chains: BTreeMap<String, Vec<Vec<String>>>,
    policies: BTreeMap<String, String>,
}

/// What stops a packet: the chain with the rule that does, or the policy of the base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopper {
    Chain(String),
    Policy,
}

/// How a packet leaves a chain.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Accepted,
    Stopped(String),
    Returned,
}

/// The tables that iptables-save has printed, by name.
pub(super) fn tables(saved: &str) -> BTreeMap<&str, Table> {
    let mut tables = BTreeMap::<&str, Table>::new();
    let mut current = "";
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            current = name;
            tables.entry(name).or_default();
        }
        let Some(table) = tables.get_mut(current) else { continue };
        if let Some(declared) = line.strip_prefix(':') {
            let mut declared = declared.split(' ').map(str::to_owned);
            let (name, policy) = (declared.next(), declared.next());
            table.chains.entry(name.clone().unwrap_or_default()).or_default();
            table.policies.extend(name.zip(policy));
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
    let (mut words, mut is_quoted) = (vec![String::new()], false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let word = words.len() - 1;
        match letter {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => words[word].extend(letters.next()),
            ' ' if !is_quoted => words.push(String::new()),
            letter => words[word].push(letter),
        }
    }
    words
}

impl Table {
    /// What stops the packet at the input hook; `None` where it passes.
    pub(super) fn stops(&self, packet: &Packet) -> Option<Stopper> {
        match self.passes(IPTABLES_CHAIN, packet, JUMP_DEPTH) {
            End::Stopped(chain) => Some(Stopper::Chain(chain)),
            End::Returned if self.policies.get(IPTABLES_CHAIN).is_some_and(|is| is == "DROP") => {
                Some(Stopper::Policy)
            }
            End::Returned | End::Accepted => None,
        }
    }

    /// Whether a rule at the input hook leads into a chain.
    pub(super) fn leads_into(&self, chain: &str) -> bool {
        let rules = self.chains.get(IPTABLES_CHAIN).into_iter().flatten();
        rules.into_iter().any(|rule| target(rule).is_some_and(|(_, target)| target == chain))
    }

    fn passes(&self, chain: &str, packet: &Packet, depth: usize) -> End {
        for rule in self.chains.get(chain).into_iter().flatten() {
            let Some((verb, target)) = target(rule).filter(|_| matches(rule, packet)) else {
                continue;
            };
            match target {
                "ACCEPT" | "QUEUE" | "NFQUEUE" => return End::Accepted,
                "DROP" | "REJECT" => return End::Stopped(chain.to_owned()),
                "RETURN" => return End::Returned,
                // redisguard's own chains stop no client that they have redirected.
                other if other.starts_with(PREFIX) || depth == 0 => {}
                other if self.chains.contains_key(other) => {
                    let end = self.passes(other, packet, depth - 1);
                    if end != End::Returned || verb == "-g" {
                        return end;
                    }
                }
                _ => {}
            }
        }
        End::Returned
    }
}

/// Where a rule leads, and by `-j` or `-g`.
fn target(rule: &[String]) -> Option<(&str, &str)> {
    let at = rule.iter().position(|word| word == "-j" || word == "-g")?;
    Some((&rule[at], rule.get(at + 1)?))
}

/// Whether a rule matches the packet; a rule with a condition that cannot be known does not.
fn matches(rule: &[String], packet: &Packet) -> bool {
    let mut words = rule.iter().map(String::as_str);
    let mut is_negated = false;
    while let Some(option) = words.next() {
        if matches!(option, "-j" | "-g") {
            return true;
        }
        if option == "!" {
            is_negated = true;
            continue;
        }
        let value = if option == "--syn" { "" } else { words.next().unwrap_or_default() };
        let holds = match option {
            "--tcp-flags" => Some(has_flags(value, words.next().unwrap_or_default())),
            _ => holds(option, value, packet),
        };
        if holds != Some(!is_negated) {
            return false;
        }
        is_negated = false;
    }
    false
}

/// Whether the packet, which has the flag SYN alone, has those that are wanted of a mask.
fn has_flags(mask: &str, wanted: &str) -> bool {
    let in_mask = mask == "ALL" || mask.split(',').any(|flag| flag == "SYN");
    wanted == if in_mask { "SYN" } else { "NONE" }
}

/// Whether one condition holds; `None` where that cannot be known.
fn holds(option: &str, value: &str, packet: &Packet) -> Option<bool> {
    const MODULES: [&str; 11] = [
        "tcp",
        "multiport",
        "conntrack",
        "state",
        "comment",
        "limit",
        "hashlimit",
        "addrtype",
        "pkttype",
        "icmp",
        "icmp6",
    ];
    let any = |known: &[&str]| value.split(',').any(|one| known.contains(&one));
    Some(match option {
        "-m" if MODULES.contains(&value) => true,
        "-p" => matches!(value, "tcp" | "6" | "all"),
        "-i" => value == "+",
        "-s" => matches!(value, "0.0.0.0/0" | "::/0"),
        "--dport" | "--dports" => is_listed(value, packet.listener_port),
        "--ctorigdstport" => is_listed(value, packet.reserved_port),
        "--ctstate" => any(&["NEW", "DNAT"]),
        "--state" => any(&["NEW"]),
        "--ctdir" => value == "ORIGINAL",
        "--ctproto" => matches!(value, "tcp" | "6"),
        "--syn" | "--comment" | "--limit" | "--limit-burst" => true,
        "--dst-type" => any(&["LOCAL"]),
        "--src-type" => any(&["UNICAST"]),
        "--pkt-type" => value == "unicast",
        option if option.starts_with("--hashlimit-") => option != "--hashlimit-above",
        option if option.starts_with("--icmp") => false,
        _ => return None,
    })
}

/// Whether a list of ports and ranges (`22,80:90`) has a port.
fn is_listed(list: &str, port: u16) -> bool {
    list.split(',').any(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let first = first.parse().unwrap_or(0);
        (first..=last.parse().unwrap_or(u16::MAX)).contains(&port)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PACKET: Packet = Packet { listener_port: 63790, reserved_port: 6379, shared: None };

    fn stops(policy: &str, rules: &str) -> Option<Stopper> {
        let saved = format!(
            "*nat\nCOMMIT\n*filter\n:INPUT {policy} [0:0]\n:THEIRS - [0:0]\n{rules}\nCOMMIT\n"
        );
        tables(&saved)["filter"].stops(&PACKET)
    }

    #[test]
    fn a_policy_that_drops_stops_them_unless_a_rule_lets_them_in() {
        assert_eq!(stops("ACCEPT", ""), None);
        assert_eq!(stops("DROP", ""), Some(Stopper::Policy));
        for lets_in in [
            "-p tcp -m tcp --dport 63790 -m conntrack --ctstate DNAT",
            "-p tcp -m multiport --dports 22,60000:65535",
            "-m conntrack --ctorigdstport 6379 --ctdir ORIGINAL",
            "! -i lo -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
            "-p tcp -m comment --comment \"a -j DROP \\\"b\" -m limit --limit 5/sec",
            "-m addrtype --dst-type LOCAL -m state --state RELATED,NEW",
        ] {
            assert_eq!(stops("DROP", &format!("-A INPUT {lets_in} -j ACCEPT")), None, "{lets_in}");
        }
        for keeps_out in [
            "-i lo",
            "-p udp",
            "-s 10.0.0.0/8",
            "-m conntrack --ctstate RELATED,ESTABLISHED",
            "-p tcp -m tcp --dport 6379",
            "-m mark --mark 0x1",
            "-m mark ! --mark 0x1",
            "! -p tcp",
            "-p tcp -m tcp --sport 1",
            "-m recent --set --name x",
            "-d 198.51.100.1/32",
        ] {
            let rule = format!("-A INPUT {keeps_out} -j ACCEPT");
            assert_eq!(stops("DROP", &rule), Some(Stopper::Policy), "{keeps_out}");
        }
    }

    #[test]
    fn jumps_are_followed_and_the_chain_that_stops_is_named() {
        let theirs = |rule: &str| {
            format!("-A INPUT {rule} -j THEIRS\n-A THEIRS -j REJECT --reject-with tcp-reset")
        };
        assert_eq!(stops("ACCEPT", &theirs("-p tcp")), Some(Stopper::Chain("THEIRS".to_owned())));
        assert_eq!(stops("ACCEPT", &theirs("-p udp")), None);
        let goes = "-A INPUT -g THEIRS\n-A INPUT -j ACCEPT";
        assert_eq!(stops("DROP", goes), Some(Stopper::Policy));
        assert_eq!(stops("DROP", &goes.replace("-g", "-j")), None);
        assert_eq!(stops("ACCEPT", "-A INPUT -j LOG\n-A INPUT -j INPUT"), None);
        assert_eq!(stops("ACCEPT", "-A INPUT -j REDISGUARD-IN\n-A REDISGUARD-IN -j DROP"), None);
    }
}
