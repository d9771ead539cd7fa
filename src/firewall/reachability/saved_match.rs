//! The conditions of a rule of iptables, by match. Runs nothing.

use super::condition::{Condition, Field, Wanted, named, number, port_range};
use super::ipset;
use crate::family::Family;

/// An option of a rule with its values.
pub(super) struct Given<'a> {
    pub(super) is_negated: bool,
    pub(super) option: &'a str,
    pub(super) values: Vec<&'a str>,
}

impl<'a> Given<'a> {
    pub(super) fn value(&self) -> &'a str {
        self.values.first().copied().unwrap_or_default()
    }
}

/// The conditions that a match's options make; `None` where they cannot be judged. Without a name, those that
/// belong to no match: addresses, interfaces, protocol.
pub(super) fn conditions(
    module: &str,
    options: &[Given<'_>],
    family: Family,
    sets: &mut dyn FnMut(&str) -> Option<String>,
) -> Option<Vec<Condition>> {
    match module {
        "comment" => Some(Vec::new()),
        "limit" => {
            let burst =
                option(options, "--limit-burst").map_or(Some(5), |given| number(given.value()));
            Some(vec![over_limit(burst?).negated_if(true)])
        }
        "hashlimit" => {
            let burst = option(options, "--hashlimit-burst");
            let burst = burst.map_or(Some(5), |given| number(given.value()))?;
            let is_above = option(options, "--hashlimit-above");
            let is_upto = option(options, "--hashlimit-upto");
            Some(vec![over_limit(burst).negated_if(is_above.is_none() && is_upto.is_some())])
        }
        "connlimit" => {
            let (most, is_above) = match option(options, "--connlimit-above") {
                Some(given) => (number(given.value())?, !given.is_negated),
                None => {
                    let given = option(options, "--connlimit-upto")?;
                    (number(given.value())?, given.is_negated)
                }
            };
            // A client's first connection. With 0 allowed, it is one too many.
            Some(vec![over_limit(u128::MAX).negated_if(is_above == (most == 0))])
        }
        "recent" => recent(options),
        "socket" => {
            option(options, "--transparent")?;
            Some(vec![unusual()])
        }
        "rpfilter" => {
            let is_inverted = option(options, "--invert").is_some();
            Some(vec![Condition::number(Field::RouteBack, 1u8).negated_if(is_inverted)])
        }
        "policy" => {
            let policy = option(options, "--pol").filter(|_| options.len() == 2)?;
            Some(vec![unusual().negated_if(policy.value() == "none")])
        }
        "set" => set(options, family, sets),
        // Extension headers of IPv6, which no client sends without a reason.
        "frag" | "rt" | "hbh" | "dst" | "mh" if options.iter().all(|given| !given.is_negated) => {
            Some(vec![unusual()])
        }
        "ipv6header" if options.iter().all(|given| !given.is_negated) => Some(vec![unusual()]),
        "" | "tcp" | "udp" | "multiport" | "conntrack" | "state" | "addrtype" | "iprange"
        | "pkttype" | "mark" | "connmark" | "ttl" | "hl" | "icmp" | "icmp6" | "tcpmss"
        | "physdev" => {
            let unknown = |given: &Given<'_>| {
                let name = format!("-m {module} {} {}", given.option, given.values.join(" "));
                vec![Condition::unknown(name).negated_if(given.is_negated)]
            };
            let each = options.iter();
            Some(
                each.flat_map(|given| single(module, given).unwrap_or_else(|| unknown(given)))
                    .collect(),
            )
        }
        _ => None,
    }
}

fn option<'a, 'b>(options: &'a [Given<'b>], name: &str) -> Option<&'a Given<'b>> {
    options.iter().find(|given| given.option == name)
}

fn over_limit(burst: u128) -> Condition {
    Condition::number(Field::OverLimit(burst), 1u8)
}

/// What no packet of a usual client has.
pub(super) fn unusual() -> Condition {
    Condition::number(Field::Unusual, 1u8)
}

/// The conditions of one option.
fn single(module: &str, given: &Given<'_>) -> Option<Vec<Condition>> {
    let value = given.value();
    let range = || {
        let (first, last) = value.split_once(':').unwrap_or((value, value));
        Some(Wanted::Range(number(first).or_else(|| first.is_empty().then_some(0))?, number(last)?))
    };
    let condition = match given.option {
        "-p" if value == "all" => return Some(Vec::new()),
        "-p" => Condition::number(Field::Protocol, named(&Field::Protocol, value)?),
        "-s" => Condition::new(Field::Source, vec![Wanted::addresses(value)?]),
        "-d" => Condition::new(Field::Destination, vec![Wanted::addresses(value)?]),
        "-i" => Condition::new(Field::InInterface, vec![interface(value)]),
        "-o" => Condition::new(Field::OutInterface, vec![interface(value)]),
        "-f" => unusual(),
        "--dport" | "--dports" => ports(Field::DestinationPort, value)?,
        "--sport" | "--sports" => ports(Field::SourcePort, value)?,
        "--ports" => {
            let listed = ports(Field::SourcePort, value)?.wanted.concat();
            let from = listed.iter().map(|wanted| vec![wanted.clone(), Wanted::Any]);
            let to = listed.iter().map(|wanted| vec![Wanted::Any, wanted.clone()]);
            Condition {
                fields: vec![Field::SourcePort, Field::DestinationPort],
                wanted: from.chain(to).collect(),
                is_negated: false,
            }
        }
        "--tcp-flags" => {
            let mask = bits(&Field::TcpFlags, value)?;
            let value = bits(&Field::TcpFlags, given.values.get(1)?)?;
            Condition::new(Field::TcpFlags, vec![Wanted::Masked { mask, value }])
        }
        // An option of TCP: 8, time stamps, and others that a client may leave out.
        "--tcp-option" => return None,
        "--ctstate" | "--state" => {
            Condition::bits(Field::StateOrNat, bits(&Field::StateOrNat, value)?)
        }
        "--ctstatus" => Condition::bits(Field::Status, bits(&Field::Status, value)?),
        "--ctdir" => Condition::number(Field::Direction, named(&Field::Direction, &lower(value))?),
        "--ctproto" => Condition::number(Field::Protocol, named(&Field::Protocol, value)?),
        "--ctorigsrc" => Condition::new(Field::OriginalSource, vec![Wanted::addresses(value)?]),
        "--ctorigdst" => {
            Condition::new(Field::OriginalDestination, vec![Wanted::addresses(value)?])
        }
        "--ctreplsrc" => Condition::new(Field::ReplySource, vec![Wanted::addresses(value)?]),
        "--ctrepldst" => Condition::new(Field::ReplyDestination, vec![Wanted::addresses(value)?]),
        "--ctorigsrcport" => ports(Field::OriginalSourcePort, value)?,
        "--ctorigdstport" => ports(Field::OriginalDestinationPort, value)?,
        "--ctreplsrcport" => ports(Field::ReplySourcePort, value)?,
        "--ctrepldstport" => ports(Field::ReplyDestinationPort, value)?,
        "--dst-type" => address_types(Field::DestinationType, value)?,
        "--src-type" => address_types(Field::SourceType, value)?,
        // The interface that a packet came in by has its destination, and a route back to its source.
        "--limit-iface-in" | "--limit-iface-out" => return Some(Vec::new()),
        "--src-range" => Condition::new(Field::Source, vec![Wanted::addresses(value)?]),
        "--dst-range" => Condition::new(Field::Destination, vec![Wanted::addresses(value)?]),
        "--pkt-type" => Condition::number(Field::PacketType, named(&Field::PacketType, value)?),
        "--mark" => {
            let field = if module == "mark" { Field::Mark } else { Field::ConnectionMark };
            let (value, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
            let (value, mask) = (number(value)?, number(mask)?);
            Condition::new(field, vec![Wanted::Masked { mask, value }])
        }
        "--ttl-lt" | "--hl-lt" => {
            let limit = number(value)?;
            Condition::new(
                Field::Hops,
                limit.checked_sub(1).map(|last| Wanted::Range(0, last)).into_iter().collect(),
            )
        }
        "--ttl-gt" | "--hl-gt" => {
            Condition::new(Field::Hops, vec![Wanted::Range(number(value)? + 1, 255)])
        }
        "--ttl-eq" | "--hl-eq" => Condition::number(Field::Hops, number(value)?),
        "--icmpv6-type" => {
            let (kind, code) = value.split_once('/').unwrap_or((value, "0"));
            let kind = named(&Field::Icmpv6Type, kind)?;
            Condition::new(
                Field::Icmpv6Type,
                Vec::from_iter((code == "0").then(|| Wanted::exactly(kind))),
            )
        }
        "--icmp-type" => Condition::new(Field::Icmpv6Type, Vec::new()),
        "--mss" => Condition::new(Field::SegmentSize, vec![range()?]),
        "--physdev-in" => Condition::new(Field::BridgePort, vec![interface(value)]),
        _ => return None,
    };
    Some(vec![condition.negated_if(given.is_negated)])
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// An interface's name, or what it begins with.
fn interface(value: &str) -> Wanted {
    match value.strip_suffix('+') {
        Some(prefix) => Wanted::Prefix(prefix.to_owned()),
        None => Wanted::Name(value.to_owned()),
    }
}

/// The bits of names with commas between them.
fn bits(field: &Field, names: &str) -> Option<u128> {
    names.split(',').try_fold(0, |bits, name| Some(bits | named(field, &lower(name))?))
}

fn address_types(field: Field, names: &str) -> Option<Condition> {
    let wanted = names.split(',').map(|name| Some(Wanted::exactly(named(&field, &lower(name))?)));
    let wanted = wanted.collect::<Option<_>>()?;
    Some(Condition::new(field, wanted))
}

/// Ports and ranges of them: `22,80:90`, `80-90`, `1024:`.
fn ports(field: Field, list: &str) -> Option<Condition> {
    let ranges = list.split(',').map(|range| {
        let (first, last) = port_range(range)?;
        Some(Wanted::Range(first.into(), last.into()))
    });
    Some(Condition::new(field, ranges.collect::<Option<_>>()?))
}

/// The list of the `recent` match: a client that comes for the first time is in none, unless a rule has put it
/// there just now.
fn recent(options: &[Given<'_>]) -> Option<Vec<Condition>> {
    let list = option(options, "--name")?.value().to_owned();
    if option(options, "--set").is_some() {
        return Some(Vec::new());
    }
    let asked = options
        .iter()
        .find(|given| matches!(given.option, "--rcheck" | "--update" | "--remove"))?;
    let hits = option(options, "--hitcount").map_or(Some(1), |given| number(given.value()))?;
    let is_in = Condition::number(Field::Recent(list), 1u8);
    let mut conditions = vec![is_in.clone()];
    if hits > 1 {
        // How often it was seen is not counted here.
        conditions.push(Condition::unknown(text_of(options)));
    }
    match (asked.is_negated, hits > 1) {
        (false, _) => Some(conditions),
        (true, false) => Some(vec![is_in.negated_if(true)]),
        (true, true) => None,
    }
}

fn text_of(options: &[Given<'_>]) -> String {
    options.iter().map(|given| format!("{} {} ", given.option, given.values.join(" "))).collect()
}

fn set(
    options: &[Given<'_>],
    family: Family,
    sets: &mut dyn FnMut(&str) -> Option<String>,
) -> Option<Vec<Condition>> {
    let [asked] = options else { return None };
    let name = asked.value();
    let condition = ipset::condition(&sets(name)?, asked.values.get(1)?, family)?;
    (asked.option == "--match-set").then(|| vec![condition.negated_if(asked.is_negated)])
}
