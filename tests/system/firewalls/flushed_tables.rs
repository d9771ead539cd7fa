//! Tables that an operator flushes or restores are named and fixed.

use super::*;

const SAVED: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:THEIRS - [0:0]
-A INPUT -p tcp -m tcp --dport 6379 -j ACCEPT
-A INPUT -j THEIRS
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 6380 -j REDIRECT --to-ports 7000
COMMIT
";

#[test]
fn flushed_and_restored_tables_are_named_and_fixed() {
    let Some(machine) = guarded("tables") else { return };
    serve(&machine, 7000);
    machine.write_file("/root/saved", SAVED);
    let rules = machine.iptables_save();
    let damages: [(&str, &[&str]); 5] = [
        ("iptables -F", &["IPv4", "filter: ", "INPUT", "FORWARD", "REDISGUARD-IN was flushed"]),
        ("ip6tables -F; ip6tables -X", &["IPv6", "filter: chain REDISGUARD-IN is missing"]),
        ("iptables -t nat -F", &["IPv4", "nat: ", "REDISGUARD-PRE was flushed"]),
        ("iptables -t mangle -F; iptables -t mangle -X; ip6tables -t nat -F", &["mangle", "nat"]),
        ("ip6tables-save | sed s/REDISGUARD-IN/OTHER/ | ip6tables-restore", &["REDISGUARD-IN"]),
    ];
    for (damage, words) in damages {
        sh(&machine, damage);
        is_fixed(&machine, words);
        let fixed = machine.iptables_save();
        let foreign: Vec<_> = fixed.lines().filter(|line| !rules.contains(line)).collect();
        assert!(foreign.iter().all(|line| line.contains("OTHER")), "{damage}: {foreign:?}");
        assert!(rules.lines().all(|line| fixed.contains(line)), "{damage}: {fixed}");
    }
    assert_open(&machine, 7000);
}

#[test]
fn a_restored_ruleset_of_others_stays_behind_the_guard() {
    let Some(machine) = host("restored") else { return };
    machine.write_file("/root/saved", SAVED);
    sh(&machine, "iptables-restore /root/saved; ip6tables-restore /root/saved");
    serve(&machine, 7000);
    // Before the guard one port is open to all, and the other leads to 7000.
    assert_eq!(machine.reaches(6379), [Outcome::Refused, Outcome::Refused]);
    assert_open(&machine, 6380);
    let before = look(&machine);

    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
    for act in ["iptables-restore /root/saved", "ip6tables-restore /root/saved"] {
        sh(&machine, act);
        is_fixed(&machine, &["filter: ", "nat: "]);
        assert_eq!(foreign_rules(&machine), before.1);
    }
    assert_open(&machine, 7000);
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
    assert_open(&machine, 6380);
}
