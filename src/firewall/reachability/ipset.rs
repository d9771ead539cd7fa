//! Reads a set of addresses and ports as `ipset save` prints it. Runs nothing.

use super::condition::{Condition, Field, Wanted, named, port_range};
use crate::family::Family;

/// The condition that a packet is in a set; `directions` says which side of the packet each part of an entry means:
/// `src,dst`. `None` for sets of other kinds, or with exceptions.
pub(super) fn condition(saved: &str, directions: &str, family: Family) -> Option<Condition> {
    let mut lines = saved.lines();
    let mut created = lines.next()?.strip_prefix("create ")?.split(' ');
    let parts: Vec<&str> = created.nth(1)?.split_once(':')?.1.split(',').collect();
    let options: Vec<&str> = created.collect();
    let of_family = options.windows(2).find(|pair| pair[0] == "family").map(|pair| pair[1]);
    let is_other = of_family.is_some_and(|of| (of == "inet") != (family == Family::V4));
    let mut fields = Vec::new();
    for (part, direction) in parts.iter().zip(directions.split(',')) {
        let is_source = direction == "src";
        fields.extend(match (*part, is_source) {
            ("ip" | "net", true) => vec![Field::Source],
            ("ip" | "net", false) => vec![Field::Destination],
            ("port", true) => vec![Field::Protocol, Field::SourcePort],
            ("port", false) => vec![Field::Protocol, Field::DestinationPort],
            ("iface", true) => vec![Field::InInterface],
            ("iface", false) => vec![Field::OutInterface],
            _ => return None,
        });
    }
    let mut wanted = Vec::new();
    for line in lines.filter(|_| !is_other) {
        let mut entry = line.strip_prefix("add ")?.split(' ').skip(1);
        let values = entry.next()?;
        if entry.any(|option| option == "nomatch") {
            return None;
        }
        let mut tuple = Vec::new();
        for (part, value) in parts.iter().zip(values.split(',')) {
            tuple.extend(element(part, value)?);
        }
        if tuple.len() == fields.len() {
            wanted.push(tuple);
        } else if fields.is_empty() || tuple.len() < fields.len() {
            return None;
        }
    }
    let is_whole = parts.len() <= directions.split(',').count();
    is_whole.then_some(Condition { fields, wanted, is_negated: false })
}

/// What one part of an entry stands for.
fn element(part: &str, value: &str) -> Option<Vec<Wanted>> {
    Some(match part {
        "port" => {
            let (protocol, ports) = value.split_once(':').unwrap_or(("tcp", value));
            let (first, last) = port_range(ports)?;
            let protocol = named(&Field::Protocol, protocol)?;
            vec![Wanted::exactly(protocol), Wanted::Range(first.into(), last.into())]
        }
        "iface" => vec![Wanted::Name(value.to_owned())],
        _ => vec![Wanted::addresses(value)?],
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_addresses_and_ports_are_read() {
        let saved = "create a hash:ip,port family inet hashsize 1024 maxelem 65536\n\
                     add a 192.0.2.1,tcp:6379 timeout 5\n";
        let found = condition(saved, "src,dst", Family::V4).unwrap();
        let address = u32::from(std::net::Ipv4Addr::new(192, 0, 2, 1));
        let [address, tcp, port] = [address, 6, 6379].map(Wanted::exactly);
        assert_eq!(found.wanted, [[address, tcp, port]]);
        assert_eq!(
            condition(saved, "src,dst", Family::V6).unwrap().wanted,
            [[]; 0] as [[Wanted; 0]; 0]
        );
        assert_eq!(condition("create a list:set size 8\nadd a b\n", "src", Family::V4), None);
        let excepted = "create a hash:net family inet\nadd a 10.0.0.0/8\nadd a 10.0.0.1 nomatch\n";
        assert_eq!(condition(excepted, "src", Family::V4), None);
    }
}
