//! Tests of following an outsider's packet. What packets do is asked in tests/net/guard/verdict.rs.
#![allow(clippy::unwrap_used)]

use super::*;
use ipnet::IpNet;
use serde_json::json;

/// As a bundle loads them for a dropped and a rejected port, without what is about open sessions.
const SAVED: &str = "*mangle\n:PREROUTING ACCEPT [0:0]\n:REDISGUARD-BLOCK - [0:0]\n\
    -A PREROUTING -p tcp -m multiport --dports 6379,6380 -m addrtype --dst-type LOCAL -m comment --comment \"redisguard:x\" -j REDISGUARD-BLOCK\n\
    -A REDISGUARD-BLOCK -i lo -j RETURN\n\
    -A REDISGUARD-BLOCK -s 10.0.0.0/8 -j RETURN\n\
    -A REDISGUARD-BLOCK -p tcp -m tcp --dport 6379 --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n\
    -A REDISGUARD-BLOCK -p tcp -m multiport --dports 6380 -j TTL --ttl-set 1\nCOMMIT\n\
    *nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n\
    *filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:REDISGUARD-IN - [0:0]\n\
    -A INPUT -p tcp -m multiport --dports 6379,6380 -j REDISGUARD-IN\n\
    -A REDISGUARD-IN -s 10.0.0.0/8 ! -i lo -j RETURN\n\
    -A REDISGUARD-IN -i lo -j ACCEPT\n\
    -A REDISGUARD-IN -p tcp -m multiport --dports 6379,6380 -j REJECT --reject-with tcp-reset\nCOMMIT\n";
const BLOCK: &str = "-A PREROUTING -p tcp -m multiport --dports 6379,6380 -m addrtype --dst-type LOCAL -m comment --comment \"redisguard:x\" -j REDISGUARD-BLOCK\n";
const IN: &str = "-A INPUT -p tcp -m multiport --dports 6379,6380 -j REDISGUARD-IN\n";

fn packet(port: u16, allow: &[IpNet]) -> Packet<'_> {
    Packet {
        family: Family::V4,
        reserved: port,
        port: Some(port),
        hops: None,
        unsure_hops: false,
        listener: 63790,
        allow,
    }
}

/// Whether outsiders get through at the two ports, with these rules and others that nft lists.
fn levels(saved: &str, listing: &Value) -> [Level; 2] {
    let tables = saved::tables(saved);
    let others = nft::tables(listing, true, &BTreeSet::new());
    let mut chains = BaseChains::new();
    saved::add_base_chains(&tables, &mut chains);
    nft::add_base_chains(&others, Family::V4, &mut chains);
    chains.sort_by_key(|(_, priority, _)| *priority);
    let allow = ["10.0.0.0/8".parse().unwrap()];
    [6379, 6380].map(|port| reached(&chains, &packet(port, &allow), false))
}

fn of(saved: &str) -> [Level; 2] {
    levels(saved, &json!({}))
}

use Level::{No, Perhaps, Sure};

#[test]
fn either_layer_is_enough_and_none_is_open() {
    assert_eq!(of(SAVED), [No, No]);
    assert_eq!(of(&SAVED.replace(IN, "")), [No, Sure]);
    assert_eq!(of(&SAVED.replace(BLOCK, "")), [No, No]);
    let bare = SAVED.replace(IN, "").replace(BLOCK, "");
    assert_eq!(of(&bare), [Sure, Sure]);
    // Others' rules are no guard: their owner may load other ones.
    assert_eq!(of(&bare.replace(":INPUT ACCEPT", ":INPUT DROP")), [Perhaps, Perhaps]);
}

#[test]
fn a_rule_before_the_jump_counts_only_as_far_as_outsiders_match_it() {
    let with = |rule: &str| {
        let before = |jump: &str, chain: &str| format!("-A {chain} {rule} -j ACCEPT\n{jump}");
        of(&SAVED.replace(IN, &before(IN, "INPUT")).replace(BLOCK, &before(BLOCK, "PREROUTING")))
    };
    for (rule, level) in [
        ("-p tcp", Sure),
        ("! -i lo", Sure),
        ("! -s 192.0.2.0/24", Sure),
        ("-m tcp -p tcp --dport 6000:7000", Sure),
        ("-p udp", No),
        ("-i lo", No),
        ("-s 127.0.0.0/8", No),
        ("-s 10.0.0.0/8", No),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", No),
        ("-s 192.0.2.0/24", Perhaps),
        ("-i eth0", Perhaps),
        ("-m mark --mark 0x1", Perhaps),
        ("-m set --match-set x src", Perhaps),
        ("-m nobody-knows", Perhaps),
    ] {
        assert_eq!(with(rule), [level, level], "{rule}");
    }
}

#[test]
fn a_container_gets_the_packet_unless_its_hop_limit_forbids_it() {
    let publish = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 6380 -j DNAT --to-destination 172.17.0.2:6379\n";
    let published = SAVED.replace("*nat\n:PREROUTING ACCEPT [0:0]\n", publish);
    assert_eq!(of(&published), [No, No]);
    let with_hops = published.replace("--ttl-set 1", "--ttl-set 64");
    assert_eq!(of(&with_hops), [No, Sure]);
    let told = published.replace("172.17.0.2:6379", ":63790");
    assert_eq!(of(&told.replace(IN, "")), [No, No]);
}

#[test]
fn chains_of_nft_are_judged_alike() {
    let bare = SAVED.replace(IN, "").replace(BLOCK, "");
    let theirs = |table: &str, expression: Value| {
        json!({"nftables": [
            {"chain": {"family": "inet", "table": table, "name": "in", "type": "filter",
                       "hook": "input", "prio": 0, "policy": "accept"}},
            {"set": {"family": "inet", "table": table, "name": "ports", "elem": [6379, {"range": [6381, 6390]}]}},
            {"rule": {"family": "inet", "table": table, "chain": "in", "expr": expression}},
        ]})
    };
    let dport = json!({"payload": {"protocol": "tcp", "field": "dport"}});
    let drop = |op: &str, left: &Value, right: Value| json!([{"match": {"op": op, "left": left, "right": right}}, {"drop": null}]);
    let source = json!({"payload": {"protocol": "ip", "field": "saddr"}});
    let flags = json!({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["fin", "syn", "rst", "ack"]]});
    let vmap = json!([{"vmap": {"key": dport, "data": {"set": [[6379, {"drop": null}]]}}}]);
    for (expression, levels_of_own) in [
        (drop("==", &dport, json!("@ports")), [No, Sure]),
        (drop("==", &dport, json!({"set": [6379, 6380]})), [No, No]),
        (drop("!=", &dport, json!({"range": [6380, 6400]})), [No, Sure]),
        (drop("==", &flags, json!("syn")), [No, No]),
        (drop("!=", &flags, json!("syn")), [Sure, Sure]),
        (drop("==", &source, json!("192.0.2.1")), [Sure, Sure]),
        (drop("==", &json!({"meta": {"key": "mark"}}), json!(1)), [Perhaps, Perhaps]),
        (
            drop("in", &json!({"ct": {"key": "state"}}), json!(["established", "related"])),
            [Sure, Sure],
        ),
        (vmap, [No, Sure]),
    ] {
        let found = levels(&bare, &theirs("redisguard", expression.clone()));
        assert_eq!(found, levels_of_own, "{expression}");
        // The same in a table of others is never a guard.
        let others = levels_of_own.map(|level| if level == No { Perhaps } else { level });
        assert_eq!(levels(&bare, &theirs("theirs", expression.clone())), others, "{expression}");
    }
}

#[test]
fn flowtables_are_named() {
    let listing = json!({"nftables": [{"metainfo": {}},
        {"flowtable": {"family": "inet", "name": "fast", "table": "theirs", "dev": "eth0"}}]});
    let named: Vec<String> = named_flowtables(&listing).into_iter().collect();
    assert_eq!(named, ["the flowtable fast of table inet theirs"]);
}
