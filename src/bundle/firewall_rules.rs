//! Owns the rules: for iptables one family at a time, for nft both. Whatever the number of reserved
//! ports, a packet to another port passes a few matches: nft looks it up in a set, iptables is led
//! down a tree of chains.

use super::allowed;
use crate::family::Family;
use crate::spec::{Existing, External, PortRange, PortSet, Reserved, Spec};
use askama::Template;
use ipnet::IpNet;

/// The match of a connection's first packet.
const FIRST_PACKET: &str = "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN";
/// The marks of packets that are about to be stopped: values that nobody sets by chance.
const MARK: Mark = Mark { reset: "0x52470000", drop: "0x52470001", both: "0xfffffffe" };
/// How many ports one multiport match holds; a range counts as two (iptables-extensions(8)).
const MULTIPORT_SLOTS: usize = 15;
/// Into how many chains a chain of the tree leads. Nine lead 10,000 ports, fifteen to a leaf, to
/// theirs in three steps.
const FAN_OUT: usize = 9;

/// Lines of the kernel's log a second of all sources together, however many there are: who forges
/// sources must not fill a disk.
const LOG_ALL: Rate = Rate { per_second: 5, burst: 100 };
/// How lines of the kernel's log begin.
const LOG_PREFIX: Prefix = Prefix { drop: "redisguard drop: ", reject: "redisguard reject: " };
/// What is one source in IPv6: whoever has one address has all of its network.
const LOG_MASK_V6: &str = "ffff:ffff:ffff:ffff::";

/// A limit (limit in iptables-extensions(8)).
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: u8,
    burst: u8,
}

/// How a line of the kernel's log begins.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    drop: &'static str,
    reject: &'static str,
}

/// Marks of packets (MARK in iptables-extensions(8)).
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// To be reset.
    reset: &'static str,
    /// To be dropped.
    drop: &'static str,
    /// The mask under which both are `reset`.
    both: &'static str,
}

#[derive(Template)]
#[template(path = "host/etc/redisguard/rules.rules")]
struct Rules<'a> {
    spec: &'a Spec,
    digest: &'a str,
    family: Family,
    allow: Vec<IpNet>,
    cut: bool,
    syn: &'static str,
    mark: Mark,
    /// What the jump of INPUT lets in, and what those of PREROUTING do.
    input: String,
    prerouting: String,
    /// Whether they let other ports in too.
    coarse: bool,
    /// Original ports of what is redirected; may hold others between them.
    told: Vec<PortRange>,
    tree: Tree<'a>,
    /// Lines a minute of one source in the kernel's log; `None` where there is nothing to log.
    log: Option<u64>,
    log_all: Rate,
    /// The list of sources that were logged of late. One list has one mask, also for two families.
    log_list: &'static str,
    log_mask: &'static str,
    log_prefix: Prefix,
}

#[derive(Template)]
#[template(path = "host/etc/redisguard/redisguard.nft")]
struct NftRules<'a> {
    spec: &'a Spec,
    digest: &'a str,
    allow_v4: Vec<IpNet>,
    allow_v6: Vec<IpNet>,
    cut: bool,
    mark: Mark,
    /// Whether ranges are among the reserved ports.
    ranges: bool,
    /// Ports one by one, some to a line, as nft takes the elements of a set.
    all: Vec<String>,
    dropped: Vec<String>,
    told: Vec<String>,
    /// Lines a minute of one source in the kernel's log; `None` where there is nothing to log.
    log: Option<u64>,
    log_all: Rate,
    log_mask: &'static str,
    log_prefix: Prefix,
}

/// The chains that find a reserved port: inner ones lead on, leaves decide.
struct Tree<'a> {
    branches: Vec<Branch>,
    leaves: Vec<Leaf<'a>>,
}

/// A chain that leads on by ranges of ports.
struct Branch {
    /// What is put behind the name of the table's first chain.
    suffix: String,
    ways: Vec<Way>,
}

/// A range of ports and the chain that decides on it.
struct Way {
    ports: PortRange,
    suffix: String,
}

/// A chain that decides on as many ports as one match holds.
struct Leaf<'a> {
    suffix: String,
    /// In the order of their ports.
    reserved: Vec<&'a Reserved>,
}

impl Leaf<'_> {
    /// The ports of those that satisfy the condition, as multiport takes them; empty if none does.
    fn ports(&self, which: impl Fn(External) -> bool) -> String {
        let ranges = self.reserved.iter().filter(|reserved| which(reserved.external));
        let ranges = ranges.map(|reserved| reserved.ports.colon());
        ranges.collect::<Vec<_>>().join(",")
    }

    fn all(&self) -> String {
        self.ports(|_| true)
    }

    fn dropped(&self) -> String {
        self.ports(|external| external == External::Drop)
    }

    fn rejected(&self) -> String {
        self.ports(|external| external == External::Reject)
    }

    fn told(&self) -> String {
        self.ports(|external| external == External::Notice)
    }

    fn untold(&self) -> String {
        self.ports(|external| external != External::Notice)
    }
}

impl<'a> Tree<'a> {
    fn of(spec: &'a Spec) -> Self {
        let mut sorted: Vec<&Reserved> = spec.reserved.iter().collect();
        sorted.sort_unstable_by_key(|reserved| reserved.ports);
        let mut leaves: Vec<Leaf<'_>> = Vec::new();
        let mut room = 0;
        for reserved in sorted {
            let slots = slots(reserved.ports);
            if slots > room {
                let suffix = format!("-{}", reserved.ports.first());
                leaves.push(Leaf { suffix, reserved: Vec::new() });
                room = MULTIPORT_SLOTS;
            }
            room -= slots;
            if let Some(leaf) = leaves.last_mut() {
                leaf.reserved.push(reserved);
            }
        }
        if let [only] = leaves.as_mut_slice() {
            only.suffix.clear();
        }
        Self { branches: branches(&leaves), leaves }
    }
}

/// The chains above the leaves, the first one last; none where there is one leaf.
fn branches(leaves: &[Leaf<'_>]) -> Vec<Branch> {
    let ends = |leaf: &Leaf<'_>| {
        let (first, last) = (leaf.reserved.first()?.ports, leaf.reserved.last()?.ports);
        Some(Way { ports: first.hull(last), suffix: leaf.suffix.clone() })
    };
    let mut ways: Vec<Way> = leaves.iter().filter_map(ends).collect();
    let mut branches = Vec::new();
    let mut level = 0;
    while ways.len() > 1 {
        level += 1;
        let is_top = ways.len() <= FAN_OUT;
        let mut above = Vec::new();
        while !ways.is_empty() {
            let rest = ways.split_off(FAN_OUT.min(ways.len()));
            let group = std::mem::replace(&mut ways, rest);
            let (Some(first), Some(last)) = (group.first(), group.last()) else { break };
            let ports = first.ports.hull(last.ports);
            let suffix = if is_top { String::new() } else { format!("-{level}-{}", ports.first()) };
            above.push(Way { ports, suffix: suffix.clone() });
            branches.push(Branch { suffix, ways: group });
        }
        ways = above;
    }
    branches
}

fn slots(range: PortRange) -> usize {
    if range.is_single() { 1 } else { 2 }
}

/// The ports in at most `most` slots of a multiport match: as they were reserved where that fits,
/// else with what lies in the narrowest gaps between them.
fn coarse(reserved: &[PortRange], most: usize) -> Vec<PortRange> {
    let fits = |ranges: &[PortRange]| ranges.iter().copied().map(slots).sum::<usize>() <= most;
    if fits(reserved) {
        return reserved.to_vec();
    }
    let merged: PortSet = reserved.iter().copied().collect();
    let ranges = merged.ranges();
    if fits(ranges) {
        return ranges.to_vec();
    }
    let gap = |pair: &[PortRange]| pair[1].first() - pair[0].last();
    let mut widest: Vec<usize> = (1..ranges.len()).collect();
    widest.sort_by_key(|index| std::cmp::Reverse(gap(&ranges[index - 1..=*index])));
    widest.truncate(most / 2 - 1);
    widest.sort_unstable();
    let starts = std::iter::once(0).chain(widest.iter().copied());
    let ends = widest.iter().copied().chain([ranges.len()]);
    starts.zip(ends).map(|(start, end)| ranges[start].hull(ranges[end - 1])).collect()
}

fn multiport(ranges: &[PortRange]) -> String {
    let ranges: Vec<String> = ranges.iter().map(|range| range.colon()).collect();
    format!("-m multiport --dports {}", ranges.join(","))
}

/// The reserved ports that satisfy the condition, ascending.
fn ports(spec: &Spec, which: impl Fn(External) -> bool) -> Vec<PortRange> {
    let reserved = spec.reserved.iter().filter(|reserved| which(reserved.external));
    let mut ports: Vec<PortRange> = reserved.map(|reserved| reserved.ports).collect();
    ports.sort_unstable();
    ports
}

/// The rules of one family, as iptables-restore reads them.
///
/// # Errors
/// As [`super::host_files::render`].
pub(super) fn iptables(spec: &Spec, digest: &str, family: Family) -> askama::Result<String> {
    let all = ports(spec, |_| true);
    let reserved = coarse(&all, MULTIPORT_SLOTS - 1);
    let set = |ranges: &[PortRange]| ranges.iter().copied().collect::<PortSet>();
    let notice = spec.redirects().then(|| PortRange::from(spec.notice.port));
    let mut input = reserved.clone();
    input.extend(notice);
    let (log_list, log_mask) = match family {
        Family::V4 => ("rg_log_v4", "255.255.255.255"),
        Family::V6 => ("rg_log_v6", LOG_MASK_V6),
    };
    let rules = Rules {
        spec,
        digest,
        family,
        allow: allowed(spec, family),
        cut: spec.firewall.existing == Existing::Cut,
        syn: FIRST_PACKET,
        mark: MARK,
        input: multiport(&input),
        prerouting: multiport(&reserved),
        coarse: set(&reserved) != set(&all),
        told: coarse(&ports(spec, |external| external == External::Notice), MULTIPORT_SLOTS),
        tree: Tree::of(spec),
        log: spec.lines_logged(),
        log_all: LOG_ALL,
        log_list,
        log_mask,
        log_prefix: LOG_PREFIX,
    };
    rules.render()
}

/// The rules of both families, as nft reads them.
///
/// # Errors
/// As [`super::host_files::render`].
pub(super) fn nft(spec: &Spec, digest: &str) -> askama::Result<String> {
    let set = |which: fn(External) -> bool| -> Vec<String> {
        let ports: Vec<u16> = ports(spec, which).into_iter().flat_map(PortRange::ports).collect();
        // By tens, so that one port more changes one line.
        let lines = ports.chunk_by(|one, next| one / 10 == next / 10);
        lines.map(|line| line.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")).collect()
    };
    let rules = NftRules {
        spec,
        digest,
        allow_v4: allowed(spec, Family::V4),
        allow_v6: allowed(spec, Family::V6),
        cut: spec.firewall.existing == Existing::Cut,
        mark: MARK,
        ranges: spec.reserved.iter().any(|reserved| slots(reserved.ports) > 1),
        all: set(|_| true),
        dropped: set(|external| external == External::Drop),
        told: set(|external| external == External::Notice),
        log: spec.lines_logged(),
        log_all: LOG_ALL,
        log_mask: LOG_MASK_V6,
        log_prefix: LOG_PREFIX,
    };
    rules.render()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spec::Source;

    fn scattered(ports: u16) -> Spec {
        let mut toml = String::from(
            "[contact]\nteam = \"a\"\nemail = \"a@b.c\"\n[cluster]\nports = \"60000-60002\"\n",
        );
        for index in 0..ports {
            let port = 1024 + 5 * u32::from(index);
            toml +=
                &format!("[[reserved]]\nport = \"{port}-{}\"\nexternal = \"reject\"\n", port + 1);
        }
        let source = Source::from_bytes("test.toml", toml.into_bytes()).unwrap();
        Spec::parse(source).unwrap_or_else(|problems| panic!("{}", problems.render(false))).0
    }

    /// The leaf that a packet is led to, and how many chains it passes.
    fn led<'a>(tree: &'a Tree<'a>, port: u16) -> (Option<&'a Leaf<'a>>, usize) {
        let mut suffix = "";
        for passed in 1.. {
            if let Some(leaf) = tree.leaves.iter().find(|leaf| leaf.suffix == suffix) {
                return (Some(leaf), passed);
            }
            let branch = tree.branches.iter().find(|branch| branch.suffix == suffix).unwrap();
            match branch.ways.iter().find(|way| way.ports.contains(port)) {
                Some(way) => suffix = &way.suffix,
                None => return (None, passed),
            }
        }
        unreachable!()
    }

    #[test]
    fn every_reserved_port_is_led_to_the_leaf_that_decides_on_it() {
        for (count, most) in [(1, 1), (7, 1), (8, 2), (70, 3), (5_000, 4)] {
            let spec = scattered(count);
            let tree = Tree::of(&spec);
            for reserved in &spec.reserved {
                let (leaf, passed) = led(&tree, reserved.ports.last());
                let known =
                    leaf.unwrap().reserved.iter().any(|known| known.ports == reserved.ports);
                assert!(known && passed <= most, "{} of {count}: {passed} chains", reserved.ports);
                assert!(leaf.unwrap().all().split([',', ':']).count() <= MULTIPORT_SLOTS);
            }
        }
    }

    #[test]
    fn a_jump_names_the_ports_or_covers_them_with_the_widest_gaps_left_out() {
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        let exact = [range("6379"), range("6380-6381")];
        assert_eq!(coarse(&exact, 14), exact);
        let touching: Vec<PortRange> = (1..=20).map(PortRange::from).collect();
        assert_eq!(coarse(&touching, 14), [range("1-20")]);
        let far = ["10", "12", "14", "100", "200", "300", "400", "500", "600"].map(range);
        let covered = coarse(&far, 6);
        assert_eq!(covered, ["10-100", "200", "300-600"].map(range), "{covered:?}");
    }
}
