//! Reads the rules that iptables-save prints. Runs nothing.

use super::condition::{Condition, number, port_range};
use super::rule::{Action, Base, Hook, Lister, Mark, Rule, Ruleset, Step};
use super::saved_match::{Given, conditions};
use crate::family::Family;
use crate::firewall::iptables::chains::is_jump;
use crate::firewall::iptables::variant::Variant;

/// Adds the tables that iptables-save has printed. Returns their names; `sets` lists a set of ipset by its name.
pub(super) fn read(
    saved: &str,
    variant: Variant,
    family: Family,
    ruleset: &mut Ruleset,
    sets: &mut dyn FnMut(&str) -> Option<String>,
) -> Vec<String> {
    let (lister, mut tables) = (Lister::Iptables(variant), Vec::new());
    let (mut name, mut table) = ("", String::new());
    for line in saved.lines() {
        if let Some(found) = line.strip_prefix('*') {
            name = found;
            table = format!("{} {found}", family.kernel_name());
            tables.push(table.clone());
        } else if let Some(declared) = line.strip_prefix(':') {
            let mut declared = declared.split(' ');
            let (chain, policy) = (declared.next().unwrap_or_default(), declared.next());
            let index = ruleset.chain(lister, &table, chain);
            ruleset.chains[index].base = base(name, chain, policy == Some("DROP"));
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = words(rule);
            let index = ruleset.chain(lister, &table, &words[0]);
            if is_jump(rule) {
                // redisguard's own are put in anew, at their place.
                ruleset.chains[index].own_jumps +=
                    usize::from(ruleset.chains[index].rules.is_empty());
                continue;
            }
            let steps =
                steps(&words[1..], family, &mut |chain| ruleset.chain(lister, &table, chain), sets);
            let text = line.to_owned();
            ruleset.chains[index].rules.push(Rule { steps, text, handle: 0 });
        }
    }
    tables
}

/// Where a chain of iptables meets packets; `None` for one that no packet meets by itself, or none of those that
/// are followed.
fn base(table: &str, chain: &str, drops: bool) -> Option<Base> {
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    // linux/netfilter_ipv4.h
    let priority = match (table, hook) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", Hook::Input | Hook::Postrouting) => 100,
        ("nat", _) => -100,
        ("security", _) => 50,
        _ => 0,
    };
    Some(Base { hook, priority, is_nat: table == "nat", drops, devices: Vec::new() })
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

/// The options of a rule, each with its values.
fn options(words: &[String]) -> Vec<Given<'_>> {
    /// Options whose value may look like an option.
    const ANY_TEXT: [&str; 6] =
        ["--comment", "--string", "--hex-string", "--log-prefix", "--name", "--nflog-prefix"];
    let mut options: Vec<Given<'_>> = Vec::new();
    let (mut is_negated, mut takes_any) = (false, false);
    for word in words {
        if takes_any {
            takes_any = false;
        } else if word == "!" {
            is_negated = true;
            continue;
        } else if word.starts_with('-') {
            takes_any = ANY_TEXT.contains(&word.as_str());
            options.push(Given { is_negated, option: word, values: Vec::new() });
            is_negated = false;
            continue;
        }
        if let Some(last) = options.last_mut() {
            last.values.push(word);
        }
    }
    options
}

fn steps(
    words: &[String],
    family: Family,
    chain: &mut dyn FnMut(&str) -> usize,
    sets: &mut dyn FnMut(&str) -> Option<String>,
) -> Vec<Step> {
    let options = options(words);
    let target = options.iter().position(|given| matches!(given.option, "-j" | "-g"));
    let (matches, target) = options.split_at(target.unwrap_or(options.len()));
    let mut steps: Vec<Step> = Vec::new();
    // The options before the first module, and each module's.
    let mut rest = matches;
    while let Some((first, others)) = rest.split_first() {
        let end = others.iter().position(|given| given.option == "-m").unwrap_or(others.len());
        let (module, of_module) = match first.option {
            "-m" => (first.value(), &others[..end]),
            _ => ("", &rest[..=end]),
        };
        let found = conditions(module, of_module, family, sets);
        let found = found.unwrap_or_else(|| vec![Condition::unknown(text(module, of_module))]);
        steps.extend(found.into_iter().map(Step::If));
        if module == "recent" && of_module.iter().any(|given| given.option == "--set") {
            let list = of_module.iter().find(|given| given.option == "--name");
            let list = list.map(Given::value).unwrap_or_default();
            steps.push(Step::Do(Action::Remember(list.to_owned())));
        }
        rest = &others[end..];
    }
    if let Some((first, options)) = target.split_first() {
        steps.push(Step::Do(action(first, options, family, chain)));
    }
    steps
}

fn text(module: &str, options: &[Given<'_>]) -> String {
    let options =
        options.iter().map(|given| format!(" {} {}", given.option, given.values.join(" ")));
    format!("-m {module}{}", options.collect::<String>())
}

/// What a rule does by its target.
fn action(
    target: &Given<'_>,
    options: &[Given<'_>],
    family: Family,
    chain: &mut dyn FnMut(&str) -> usize,
) -> Action {
    /// Targets that change nothing that a condition here asks for, and let the packet go on.
    const HARMLESS: [&str; 20] = [
        "LOG",
        "NFLOG",
        "ULOG",
        "AUDIT",
        "TRACE",
        "CLASSIFY",
        "DSCP",
        "TOS",
        "TCPMSS",
        "SET",
        "LED",
        "IDLETIMER",
        "RATEEST",
        "CHECKSUM",
        "ECN",
        "HMARK",
        "SECMARK",
        "CONNSECMARK",
        "TEE",
        "TCPOPTSTRIP",
    ];
    let has = |option: &str| options.iter().any(|given| given.option == option);
    let value = |option: &str| {
        options.iter().find(|given| given.option == option).map_or("", |given| given.value())
    };
    match target.value() {
        "ACCEPT" => Action::Accept,
        // The last ones answer, or keep the client waiting, in the listener's place.
        "DROP" | "REJECT" | "TARPIT" | "DELUDE" | "CHAOS" | "STEAL" | "TPROXY" => Action::Drop,
        "RETURN" => Action::Return,
        "NOTRACK" => Action::Untrack,
        "CT" if has("--notrack") => Action::Untrack,
        "CT" if has("--zone") || has("--zone-orig") || has("--zone-reply") => Action::Unknown,
        "CT" => Action::Nothing,
        "MARK" => Action::SetMark(masked(value("--set-xmark"))),
        "CONNMARK" if has("--set-xmark") => Action::SetConnectionMark(masked(value("--set-xmark"))),
        "CONNMARK" => {
            let masks = number(value("--nfmask")).zip(number(value("--ctmask")));
            let (packet, connection) = masks.unwrap_or((u32::MAX.into(), u32::MAX.into()));
            if has("--save-mark") {
                Action::SetConnectionMark(Mark::Other { keep: rest(connection), take: packet })
            } else {
                Action::SetMark(Mark::Other { keep: rest(packet), take: connection })
            }
        }
        "TTL" | "HL" => {
            let set = number(value(if family == Family::V4 { "--ttl-set" } else { "--hl-set" }));
            set.map_or(Action::Nothing, Action::SetHops)
        }
        "REDIRECT" => Action::Translate {
            port: port_range(value("--to-ports")).map(|(first, _)| first),
            is_elsewhere: false,
        },
        "DNAT" => translation(value("--to-destination")),
        "NETMAP" => Action::Translate { port: None, is_elsewhere: true },
        "SNAT" | "MASQUERADE" => Action::Accept,
        "NFQUEUE" => {
            let balance = value("--queue-balance").split_once(':');
            let first = balance.map_or(value("--queue-num"), |(first, _)| first);
            let last = balance.map_or(first, |(_, last)| last);
            Action::Queue {
                first: first.parse().unwrap_or(0),
                last: last.parse().unwrap_or(0),
                bypass: has("--queue-bypass"),
            }
        }
        "" => Action::Nothing,
        known if HARMLESS.contains(&known) => Action::Nothing,
        // Chains have no options.
        name if options.is_empty() && !is_target(name) => {
            let index = chain(name);
            if target.option == "-g" { Action::Goto(index) } else { Action::Jump(index) }
        }
        _ => Action::Unknown,
    }
}

/// Whether a name is that of a target without options of iptables' or its add-ons.
fn is_target(name: &str) -> bool {
    ["SYNPROXY", "ECHO", "ACCOUNT", "SYSRQ", "RAWDNAT", "RAWSNAT", "CLUSTERIP"].contains(&name)
}

/// `value/mask`: the bits of the mask are cleared, then those of the value flipped.
fn masked(text: &str) -> Mark {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    match number(value).zip(number(mask)) {
        Some((flip, mask)) => Mark::Own { keep: rest(mask), flip },
        None => Mark::Unknown,
    }
}

/// The other bits of a mark.
fn rest(mask: u128) -> u128 {
    !mask & u128::from(u32::MAX)
}

/// `ADDRESS:PORT`, with either of them alone, `[ADDRESS]:PORT` for IPv6, and ranges.
fn translation(to: &str) -> Action {
    let port = to.strip_prefix(':').and_then(port_range).map(|(first, _)| first);
    Action::Translate { port, is_elsewhere: port.is_none() }
}
