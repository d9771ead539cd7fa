//! Legacy and nf_tables iptables: either is used, both filled are refused, and a switch keeps the
//! guard.

use super::*;

/// Makes `iptables` and `ip6tables` this kind.
fn select(machine: &Machine, kind: &str) {
    for program in ["iptables", "ip6tables"] {
        let path = format!("/usr/sbin/{program}-{kind}");
        machine.run(&["update-alternatives", "--set", program, &path]).ok();
    }
}

/// The programs that list rules of redisguard's.
fn ours(machine: &Machine) -> Vec<String> {
    let rules = machine.iptables_save();
    let lines = rules.lines().filter(|line| line.contains(": -A REDISGUARD-IN "));
    let mut programs: Vec<_> =
        lines.filter_map(|line| line.split_once(": ")).map(|(tool, _)| tool.to_owned()).collect();
    programs.dedup();
    programs
}

const NFT: [&str; 2] = ["iptables-nft", "ip6tables-nft"];
const LEGACY: [&str; 2] = ["iptables-legacy", "ip6tables-legacy"];

#[test]
fn legacy_iptables_guards_where_it_is_selected() {
    let Some(mut machine) = host("legacy") else { return };
    select(&machine, "legacy");
    sh(&machine, "iptables -A INPUT -p tcp --dport 6379 -j ACCEPT; ip6tables -P FORWARD DROP");
    let before = look(&machine);

    redisguard(&machine, &["apply"]).ok();
    assert_eq!(ours(&machine), LEGACY);
    assert_clean(&machine);
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);

    redisguard(&machine, &["apply"]).ok();
    machine.reboot();
    assert_eq!(ours(&machine), LEGACY);
    assert_clean(&machine);
    sh(&machine, "iptables -F; ip6tables -t mangle -F");
    is_fixed(&machine, &["INPUT", "mangle: "]);
    assert_eq!(ours(&machine), LEGACY);
}

#[test]
fn rules_in_both_iptables_variants_are_refused_and_explained() {
    let Some(machine) = host("both-kinds") else { return };
    sh(&machine, "iptables -A INPUT -p udp --dport 9 -j DROP; ip6tables-legacy -P FORWARD DROP");
    sh(&machine, "iptables-legacy -t nat -A POSTROUTING -p udp --dport 9 -j MASQUERADE");
    let before = look(&machine);
    let refused = || {
        for verb in ["plan", "apply"] {
            let said = redisguard(&machine, &[verb]);
            assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{verb}: {said:?}");
            assert_eq!(said.stderr.matches("could not").count(), 1, "{}", said.stderr);
            let words = ["iptables-legacy (IPv4 nat: 1, IPv6 filter: 1)", "update-alternatives"];
            assert_says(&said.stderr, &words);
        }
    };
    refused();
    assert_unchanged(&machine, &before);

    // Tables in which nothing is are nothing.
    sh(&machine, "iptables-legacy -t nat -F; ip6tables-legacy -P FORWARD ACCEPT");
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);

    // Rules that fill them afterwards are named; the guard holds, and drift is still fixed.
    sh(&machine, "iptables-legacy -t nat -A POSTROUTING -p udp --dport 9 -j MASQUERADE");
    sh(&machine, "ip6tables-legacy -P FORWARD DROP");
    let guarded = look(&machine);
    refused();
    assert_unchanged(&machine, &guarded);
    sh(&machine, "iptables -D INPUT 1");
    let status = json(&machine, 1, &["status"]);
    let findings = status["findings"].as_array().unwrap();
    let others: Vec<_> = findings.iter().filter(|finding| finding["kind"] == "others").collect();
    assert_eq!(others.len(), 1, "{status:#}");
    assert!(others[0]["detail"].as_str().unwrap().contains("iptables-legacy"), "{status:#}");
    let said = redisguard(&machine, &["rules", "load"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("warning") && said.stderr.contains("legacy"), "{said:?}");
    assert_unchanged(&machine, &guarded);
    check(&machine);
    assert_guards(&machine);
    assert_eq!(json(&machine, 1, &["status"])["healthy"], true);

    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}

#[test]
fn a_switched_iptables_variant_takes_the_guard_along() {
    let Some(machine) = guarded("switched") else { return };
    for (kind, programs, former) in [("legacy", LEGACY, NFT), ("nft", NFT, LEGACY)] {
        select(&machine, kind);
        assert_eq!(ours(&machine), former);
        assert_shut(&machine, &[6379, 6380]);
        is_fixed(
            &machine,
            &[
                "redisguard's rules are not loaded",
                &format!("{}: redisguard's rules are left over", former[0]),
            ],
        );
        assert_eq!(ours(&machine), programs);
    }
    // Gone are also those that iptables no longer shows.
    select(&machine, "legacy");
    let removed = redisguard(&machine, &["remove"]).ok();
    assert!(removed.contains("REDISGUARD"), "{removed}");
    assert_eq!(machine.iptables_save(), "");
}

#[test]
fn the_printed_fixes_for_rules_in_both_variants_bring_all_together() {
    let Some(machine) = host("together") else { return };
    let fill = "iptables -A INPUT -p udp --dport 9 -j DROP
         for tool in iptables-legacy ip6tables-legacy; do
             $tool -N THEIRS; $tool -A INPUT -j THEIRS; $tool -A THEIRS -p udp --dport 10 -j DROP
             $tool -P FORWARD DROP; $tool -t nat -A POSTROUTING -p udp --dport 9 -j MASQUERADE
         done";
    let theirs = ["-A THEIRS -p udp -m udp --dport 10 -j DROP", "FORWARD DROP", "MASQUERADE"];
    for (condition, moved) in [("if nothing needs", false), ("if something needs", true)] {
        sh(&machine, fill);
        let said = redisguard(&machine, &["plan"]);
        assert_eq!(said.code, 2, "{said:?}");
        let fix = said.stderr.lines().find(|line| line.contains(condition)).unwrap();
        let (_, command) = fix.split_once(": ").unwrap();
        sh(&machine, command);
        redisguard(&machine, &["apply"]).ok();
        assert_clean(&machine);
        let rules = machine.iptables_save();
        assert!(!rules.contains("legacy"), "{rules}");
        assert!(
            rules.contains("iptables-nft: -A INPUT -p udp -m udp --dport 9 -j DROP"),
            "{rules}"
        );
        for rule in theirs {
            assert_eq!(rules.contains(rule), moved, "{condition}: {rule} in\n{rules}");
        }
        redisguard(&machine, &["remove"]).ok();
        sh(&machine, "iptables -F INPUT");
    }
}
