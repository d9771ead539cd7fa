//! Random rules of other programs never make `status` say what an outsider does not meet.

use super::Said::Unknown;
use super::*;
use crate::support::cases;

/// How many rule sets are tried for each of redisguard's backends.
const SEEDS: u32 = 14;

/// Numbers that a seed makes: xorshift64.
struct Random(u64);

impl Random {
    fn new(seed: u32) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ u64::from(seed).wrapping_mul(0x2545_f491_4f6c_dd1d) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const XT_MATCHES: [&str; 30] = [
    "",
    "-p tcp",
    "-p udp",
    "! -p tcp",
    "-p tcp --dport 63790",
    "-p tcp --dport 6379",
    "-p tcp ! --dport 63790",
    "-p tcp --sport 63790",
    "-p tcp --syn",
    "-p tcp ! --syn",
    "-p tcp -m multiport --dports 22,6379,63790",
    "-p tcp -m multiport ! --ports 6379,22",
    "-p tcp --tcp-flags SYN,ACK SYN,ACK",
    "-m conntrack --ctstate NEW",
    "-m conntrack --ctstate ESTABLISHED,RELATED",
    "-m conntrack ! --ctstate NEW,DNAT",
    "-m conntrack --ctstate INVALID,UNTRACKED",
    "-m conntrack --ctstate DNAT",
    "-m conntrack --ctorigdstport 6379",
    "-m conntrack --ctdir REPLY",
    "-m conntrack --ctstatus SEEN_REPLY",
    "-m conntrack ! --ctstatus ASSURED",
    "-m conntrack --ctreplsrcport 63790",
    "-s $SECOND",
    "! -s $SECOND",
    "-d $HOST",
    "-m mark --mark 4/4",
    "-m connmark ! --mark 4/4",
    "-m comment --comment x",
    "-m limit --limit 90/sec --limit-burst 90",
];
const NFT_MATCHES: [&str; 30] = [
    "",
    "meta l4proto tcp",
    "meta l4proto != tcp",
    "tcp dport 63790",
    "tcp dport 6379",
    "tcp dport != 63790",
    "tcp dport { 22, 1024-65535 }",
    "tcp sport 63790",
    "tcp flags syn",
    "tcp flags != syn",
    "tcp flags & (syn | ack) == syn | ack",
    "tcp flags ! rst",
    "ct state new",
    "ct state established,related",
    "ct state != new",
    "ct state { new, untracked }",
    "ct state invalid",
    "ct status dnat",
    "ct status != seen-reply",
    "meta l4proto tcp ct original proto-dst 6379",
    "ct direction reply",
    "ip saddr 198.51.1.7",
    "ip saddr != 198.51.1.7",
    "ip6 daddr fd00:6379:1::/64",
    "meta mark & 0x4 == 0x4",
    "ct mark != 0x4",
    "iifname \"here*\"",
    "oifname != \"lo\"",
    "meta nfproto ipv6",
    "limit rate 90/second burst 90 packets",
];

/// A script that makes rules of iptables.
fn of_iptables(random: &mut Random, variant: &str) -> String {
    let places = [
        "raw PREROUTING",
        "mangle PREROUTING",
        "mangle INPUT",
        "filter INPUT",
        "filter INPUT",
        "filter INPUT",
        "filter OUTPUT",
        "mangle POSTROUTING",
    ];
    let mut rules = String::from("$T -t filter -N A; $T -t mangle -N A; $T -t raw -N A\n");
    for _ in 0..=random.below(6) {
        let (table, chain) = random.one(&places).split_once(' ').unwrap();
        let chain = if random.below(4) == 0 { "A" } else { chain };
        let matched = [random.one(&XT_MATCHES), random.one(&XT_MATCHES[13..])];
        let mut matched = matched[..=random.below(2)].join(" ");
        if matched.contains("-s $SECOND") && matched.matches("-s ").count() > 1 {
            matched = "-s $SECOND".to_owned();
        }
        let target = match (chain, table) {
            (chain, _) if chain != "A" && random.below(3) == 0 => random.one(&["-j A", "-g A"]),
            (_, "mangle") => random.one(&[
                "-j ACCEPT",
                "-j DROP",
                "-j MARK --or-mark 4",
                "-j CONNMARK --set-mark 4",
                "-j CONNMARK --restore-mark",
                "-j RETURN",
            ]),
            (_, "raw") => {
                random.one(&["-j ACCEPT", "-j DROP", "-j CT --notrack", "-j MARK --set-mark 4"])
            }
            _ => random.one(&["-j ACCEPT", "-j ACCEPT", "-j DROP", "-j RETURN", "-j REJECT"]),
        };
        rules.push_str(&format!(
            "$T -t {table} -A {chain} {matched} {target} 2>/dev/null || true\n"
        ));
    }
    if random.below(3) == 0 {
        let chain = random.one(&["INPUT", "OUTPUT"]);
        rules.push_str(&format!("$T -P {chain} DROP; $T -A {chain} -p $ICMP -j ACCEPT\n"));
    }
    format!(
        "both() {{\n{rules}}}
         T=iptables-{variant} ICMP=icmp HOST=198.51.1.1 SECOND=198.51.1.7; both
         T=ip6tables-{variant} ICMP=ipv6-icmp HOST=fd00:6379:1::1 SECOND=fd00:6379:1::7; both"
    )
}

/// A script that makes rules of nft.
fn of_nft(random: &mut Random) -> String {
    let mut lines = vec!["table inet t".to_owned(), "chain inet t a".to_owned()];
    let mut rules = Vec::new();
    for chain in 0..=random.below(3) {
        let (kind, hook) = random
            .one(&[
                "filter prerouting",
                "filter input",
                "filter input",
                "filter output",
                "filter postrouting",
                "nat prerouting",
            ])
            .split_once(' ')
            .unwrap();
        let priority = random.one(&["-300", "-170", "-155", "-120", "-50", "0", "5", "90", "110"]);
        // The kernel's own look at NAT is at -100 in any case.
        let policy = if random.below(4) == 0 && kind == "filter" { "drop" } else { "accept" };
        lines.push(format!("chain inet t c{chain} {{ type {kind} hook {hook} priority {priority}; policy {policy}; }}"));
        if policy == "drop" {
            rules.push(format!("c{chain} meta l4proto icmpv6 accept"));
        }
        for _ in 0..=random.below(4) {
            let matched = [random.one(&NFT_MATCHES), random.one(&NFT_MATCHES)];
            let matched = matched[..=random.below(2)].join(" ");
            let verdict = match (kind, hook) {
                ("nat", _) => {
                    random.one(&["accept", "redirect to :63790", "redirect to :7000", "drop"])
                }
                (_, "prerouting") => random.one(&[
                    "accept",
                    "drop",
                    "notrack",
                    "meta mark set 0x4",
                    "ct mark set 0x4",
                    "jump a",
                    "return",
                ]),
                _ => random.one(&[
                    "accept",
                    "accept",
                    "drop",
                    "jump a",
                    "goto a",
                    "return",
                    "meta mark set meta mark | 0x4",
                    "tcp dport vmap { 22 : drop, 63790 : accept }",
                    "ct state vmap { new : jump a, established : accept }",
                ]),
            };
            rules.push(format!("c{chain} {matched} {verdict}"));
        }
    }
    for _ in 0..random.below(3) {
        let matched = random.one(&NFT_MATCHES);
        rules.push(format!("a {matched} {}", random.one(&["accept", "drop", "return"])));
    }
    let add = lines.into_iter().map(|line| format!("add {line}"));
    let add = add.chain(rules.into_iter().map(|rule| format!("add rule inet t {rule}")));
    // What nft refuses is left out.
    add.map(|line| format!("nft '{line}' 2>/dev/null || true\n")).collect()
}

fn tried(backend: &'static str, tool: &str) {
    if !able() {
        return;
    }
    let ground = Ground::new(backend);
    let mut wrong = Vec::new();
    let seeds = cases(SEEDS).cases;
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let script = match tool {
            "nft" => of_nft(&mut random),
            variant => of_iptables(&mut random, variant.trim_start_matches("xt-")),
        };
        ground.clear();
        ground.host.run("bash", &["-c", &script]);
        let (said, words, _) = ground.said();
        // Everything in the vocabulary can be judged.
        let unknown = (said == Unknown).then(|| "unknown".to_owned());
        let lie = unknown.or_else(|| ground.lie(&said));
        wrong.extend(lie.map(|lie| format!("seed {seed}: {lie}: {words}\n{script}")));
    }
    assert!(wrong.is_empty(), "{backend}, {tool}: {} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn random_rules_of_nft() {
    tried("nftables", "nft");
    tried("iptables", "nft");
}

#[test]
fn random_rules_of_iptables() {
    tried("nftables", "xt-nft");
    tried("legacy", "xt-legacy");
}
