//! Rules are tried in a namespace before they are loaded, and listed only after a change.

use super::*;
use crate::support::assert_same;

const BY_NFT: &str = "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
    [[reserved]]\nport = 6379\n[firewall]\nbackend = \"nftables\"\n";

/// Where a script that stands in a tool's place runs: on the host, or apart from it.
const PLACE: &str = r#"place=apart
[ "$(readlink /proc/self/ns/net)" = "$(readlink /proc/$PPID/ns/net)" ] && place=here"#;

/// Puts a script in the place of tools: under a name that tells their kind.
fn stand_in(host: &Host, tools: &[&str], script: &str) {
    host.sh(&format!(
        "cat > /usr/local/sbin/standing-in-for-nft <<'END'\n#!/bin/sh\n{PLACE}\n{script}\n\
         exec /usr/sbin/\"${{0##*/}}\" \"$@\"\nEND\nchmod 755 /usr/local/sbin/standing-in-for-nft"
    ));
    for tool in tools {
        host.sh(&format!("ln -s standing-in-for-nft /usr/local/sbin/{tool}"));
    }
}

/// The lines that the scripts wrote since this was asked last.
fn told_by(host: &Host) -> Vec<String> {
    let told = host.sh("sort /run/said 2>/dev/null; : > /run/said");
    told.lines().map(str::to_owned).collect()
}

#[test]
fn both_families_are_tried_in_a_namespace_before_either_is_loaded() {
    if !able() || !tools(&["nft", "setpriv"]) {
        return;
    }
    let host = Host::new();
    let restores = ["iptables-restore", "ip6tables-restore"];
    // In the order of their ends: a load must find that all of them were tried.
    let script = r#"case "$*" in *--test*|*--check*) word=checks ;; *) word=loads ;; esac
[ $place$word = hereloads ] && tried=" after $(grep -c 'apart\|checks' /run/said)"
echo "${0##*/} $word $place$tried" >> /run/said"#;
    stand_in(&host, &restores, script);
    install(&host, &["apply"], 0);
    host.sh("nft flush ruleset; : > /run/said");
    install(&host, &["rules", "load"], 0);
    let apart = |word: &str, place: &str| {
        let tried = ["ip6tables-restore", "iptables-restore"]
            .map(|tool| [format!("{tool} {word} {place}"), format!("{tool} loads here after 2")]);
        let mut lines: Vec<String> = tried.concat();
        lines.sort();
        lines
    };
    assert_eq!(told_by(&host), apart("loads", "apart"));
    assert!(host.rules().contains("-A INPUT -p tcp -m multiport"), "{}", host.rules());

    // Where no namespace can be made, the kernel takes them back.
    host.sh("nft flush ruleset");
    let without = ["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", INSTALL];
    let output = host.run("setpriv", &[&without[..], &["rules", "load"]].concat());
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    assert_eq!(told_by(&host), apart("checks", "here"));

    host.sh("rm /usr/local/sbin/*tables-restore");
    host.copy_in(&bundle(BY_NFT).path().join("generated"), "/run/nft");
    stand_in(&host, &["nft"], &format!("case \"$*\" in *--file*)\n{script}\n;; esac"));
    let by_nft = ["--bundle", "/run/nft", "rules", "load"];
    let output = host.run("setpriv", &[&without[..], &by_nft].concat());
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    // The last one seals what was loaded.
    let loads = ["nft loads here after 1", "nft loads here after 1"];
    assert_eq!(told_by(&host), [&["nft checks here"], &loads[..]].concat());
    host.sh("nft delete table inet redisguard");
    let output = host.install(&by_nft);
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    assert_eq!(told_by(&host), [&["nft loads apart"], &loads[..]].concat());
}

#[test]
fn rules_that_the_kernel_lists_otherwise_are_rolled_back() {
    let Some(host) = new_host() else { return };
    let before = (host.rules(), host.changed_files());
    stand_in(
        &host,
        &["iptables-restore"],
        r#"[ $place = apart ] ||
    { sed '/redisguard:6380:drop/d' | /usr/sbin/iptables-restore "$@"; exit; }"#,
    );
    let output = install(&host, &["apply"], 2);
    let cause = "find the rules as they were loaded: IPv4: filter: chain REDISGUARD-IN was edited";
    assert_contains(&output, cause);
    host.sh("rm /usr/local/sbin/*");
    assert_same(&(host.rules(), host.changed_files()), &before, "before");
}

#[test]
fn rules_that_others_insert_during_a_load_come_behind_redisguards() {
    let Some(host) = new_host() else { return };
    stand_in(
        &host,
        &["iptables-restore"],
        r#"[ $place = apart ] || [ -e /run/once ] || {
    touch /run/once; /usr/sbin/iptables-restore "$@"; status=$?
    /usr/sbin/iptables -I INPUT -p tcp --dport 22 -j ACCEPT; exit $status; }"#,
    );
    install(&host, &["apply"], 0);
    assert!(host.has("/run/once"));
    install(&host, &["status"], 0);
    let input = host.sh("iptables -S INPUT");
    assert!(input.lines().count() == 4 && input.ends_with("--dport 22 -j ACCEPT\n"), "{input}");
}

#[test]
fn rules_are_listed_only_after_a_change() {
    let Some(host) = new_host() else { return };
    let saves = ["iptables-save", "ip6tables-save"];
    stand_in(&host, &saves, r#"echo "${0##*/}" >> /run/said"#);
    let both = ["ip6tables-save", "iptables-save"];
    let plan = || exit_status(&host.install(&["plan"]));
    let apply = || {
        let output = install(&host, &["apply"], 0);
        transcript(&output)
    };
    // An empty kernel has nothing to list, only to look at when all is done.
    apply();
    assert_eq!(told_by(&host), both);
    assert!(apply().contains("nothing to change"));
    assert_eq!(plan(), 0);
    assert_eq!(told_by(&host), [""; 0]);
    // Who asks for the state is told what the kernel says, with what was counted.
    install(&host, &["status"], 0);
    assert_eq!(told_by(&host), both);
    // Another bundle was never looked for.
    host.copy_in(&bundle(OTHER).path().join("generated"), "/run/other");
    install(&host, &["--bundle", "/run/other", "plan"], 1);
    assert_eq!(told_by(&host), both);
    // So was one with other rules that claims to be the same.
    host.sh(r#"cp -r /var/lib/redisguard/bundle /run/altered; cd /run/altered
        sed -i 's/Default Redis Port/Another Port/' host/etc/redisguard/rules.v6
        sum=$(sha256sum < host/etc/redisguard/rules.v6 | cut -d' ' -f1)
        sed -i "s|^.*\(  host/etc/redisguard/rules.v6\)|$sum\1|" SHA256SUMS"#);
    let altered = transcript(&host.install(&["--bundle", "/run/altered", "plan"]));
    assert!(altered.contains("load (IPv6: filter: chain REDISGUARD-IN was edited: "), "{altered}");
    assert_eq!(told_by(&host), both);
    // A foreign rule is a change too. A run that changes nothing stores nothing.
    host.sh("iptables -A OUTPUT -j ACCEPT");
    for _ in 0..2 {
        assert!(apply().contains("nothing to change"));
        assert_eq!(told_by(&host), both);
    }
    // The timer's check does.
    install(&host, &["rules", "load"], 0);
    assert_eq!(told_by(&host), both);
    assert_eq!(plan(), 0);
    assert_eq!(told_by(&host), [""; 0]);
    for damage in [
        "iptables -F REDISGUARD-IN",
        "ip6tables -t mangle -I PREROUTING -j ACCEPT",
        "nft flush ruleset",
        "iptables-restore < /dev/null; nft delete table ip nat",
    ] {
        host.sh(damage);
        assert_eq!(plan(), 1, "{damage}");
        for _ in 0..2 {
            assert_eq!(exit_status(&host.install(&["rules", "load"])), 0, "{damage}");
        }
        assert_eq!(plan(), 0, "{damage}");
    }
    // Another namespace with tables of others may have the name and the number of one that is gone.
    assert!(host.has("/run/redisguard.seen"));
    host.sh("nft flush ruleset; iptables -A INPUT -j ACCEPT; ip6tables -A INPUT -j ACCEPT");
    let seen = host.sh("cat /run/redisguard.seen");
    let last: u32 = seen.split(' ').nth(3).unwrap().parse().unwrap();
    for number in last..last + 16 {
        host.sh(&format!("sed -i -E 's/ 2 [0-9]+ / 2 {number} /' /run/redisguard.seen"));
        assert_eq!(plan(), 1, "{number}");
    }
    install(&host, &["remove"], 0);
    assert!(!host.has("/run/redisguard.seen"));
}
