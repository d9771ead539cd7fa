//! nftables.service flushes all tables, and the guard is back at once.

use super::*;

/// A ruleset as a host of its own has it: what is not named is dropped.
pub(super) const OWN: &str = "#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	set served {
		type inet_service
		elements = { 22, 6379, 7000 }
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname \"lo\" accept
		meta l4proto ipv6-icmp accept
		tcp dport @served accept
	}
}
";

/// What systemd does with the service, each of which flushes what is loaded.
const ACTS: [&str; 2] = ["systemctl restart nftables", "systemctl reload nftables"];

#[test]
fn the_stock_nftables_service_flushes_no_guard_for_long() {
    let Some(mut machine) = host("nftables") else { return };
    sh(&machine, "systemctl --quiet enable --now nftables");
    let before = look(&machine);
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
    for act in ACTS {
        sh(&machine, act);
        check(&machine);
        assert_clean(&machine);
    }
    sh(&machine, "nft -f /etc/nftables.conf");
    is_fixed(&machine, &["redisguard's rules are not loaded"]);
    machine.reboot();
    assert_clean(&machine);
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}

#[test]
fn dropping_rules_of_nftables_coexist_with_the_guard() {
    let Some(mut machine) = host("nftables-drop") else { return };
    machine.write_file("/etc/nftables.conf", OWN);
    sh(&machine, "systemctl --quiet enable --now nftables");
    for port in [6379, 7000] {
        serve(&machine, port);
        assert_open(&machine, port);
    }
    stop_serving(&machine, 6379);
    let before = look(&machine);
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
    for act in ACTS {
        sh(&machine, act);
        check(&machine);
        assert_shut(&machine, &[6379, 6380, 9]);
        assert_open(&machine, 7000);
    }
    machine.reboot();
    assert_clean(&machine);
    assert_shut(&machine, &[9]);
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}

#[test]
fn status_says_what_stops_outsiders_before_they_are_told() {
    let Some(machine) = host("nftables-notice") else { return };
    machine.write_file("/etc/nftables.conf", OWN);
    sh(&machine, "systemctl start nftables");
    apply(&machine, "notice");
    // Redirected, and accepted by our chain: but theirs comes behind it.
    assert_shut(&machine, &[6379, 6380]);
    let status = redisguard(&machine, &["status"]).ended(1);
    let plan = redisguard(&machine, &["--bundle", BUNDLE, "plan"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let line = "ct status dnat tcp dport 63790 accept";
    let words = ["table inet filter, chain input (IPv4, IPv6)", line];
    assert_says(&status, &words);
    assert_says(&plan.stderr, &words);
    assert!(status.contains("\nfix: nft insert rule inet filter input "), "{status}");
    machine.run(&["nft", &format!("add rule inet filter input {line}")]).ok();
    assert_told(&machine);
    redisguard(&machine, &["status"]).ok();
}

#[test]
fn a_table_of_nft_that_keeps_iptables_out_is_explained() {
    let Some(machine) = host("nftables-taken") else { return };
    let table = "table ip filter {\n chain INPUT {\n type filter hook input priority filter\n\
                 ct state vmap { invalid : drop, established : accept }\n }\n}\n";
    machine.write_file("/root/table", table);
    machine.run(&["nft", "-f", "/root/table"]).ok();
    let before = look(&machine);
    for verb in ["plan", "apply"] {
        let said = redisguard(&machine, &[verb]);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{verb}: {said:?}");
        let words = ["IPv4 rules", "`filter' is incompatible", "backend = \"nftables\""];
        assert_says(&said.stderr, &words);
    }
    assert_unchanged(&machine, &before);
}

#[test]
fn a_table_of_nft_that_keeps_iptables_out_opens_no_port_at_boot() {
    let Some(mut machine) = host("nftables-taken-later") else { return };
    redisguard(&machine, &["apply"]).ok();
    let table = "flush ruleset\ntable ip filter {\n chain INPUT {\n type filter hook input priority filter\n\
                 ct state vmap { invalid : drop, established : accept }\n }\n}\n";
    machine.write_file("/etc/nftables.conf", table);
    machine.run(&["systemctl", "enable", "nftables"]).ok();
    machine.reboot();
    assert_shut(&machine, &[6379, 6380]);
    let unit = machine.run(&["systemctl", "is-failed", "redis-ports-block.service"]);
    assert_eq!(unit.stdout.trim(), "failed");
    sh(
        &machine,
        "systemctl disable --now nftables; nft flush ruleset; systemctl restart redis-ports-block redis-ports-check",
    );
    assert_shut(&machine, &[6379, 6380]);
    assert_clean(&machine);
}

#[test]
fn remove_opens_the_ports_although_iptables_cannot_list_its_table() {
    let Some(mut machine) = host("nftables-unlisted") else { return };
    sh(&machine, "iptables -A INPUT -p udp --dport 9 -j DROP");
    redisguard(&machine, &["apply"]).ok();
    sh(
        &machine,
        "for family in ip ip6; do
             nft add rule $family filter INPUT tcp dport '{ 80, 443 }' ct state new accept
         done",
    );
    // The guard holds, and says that it cannot compare; nftables takes over until iptables can.
    assert_shut(&machine, &[6379, 6380]);
    assert_says(&redisguard(&machine, &["status"]).stderr, &["`filter' is incompatible"]);
    machine.run(&["systemctl", "start", CHECK]);
    assert_shut(&machine, &[6379, 6380]);
    redisguard(&machine, &["remove"]).ok();
    serve(&machine, 6379);
    assert_open(&machine, 6379);
    let rules = nft_rules(&machine);
    assert!(!rules.to_lowercase().contains("redisguard"), "{rules}");
    assert!(rules.contains("udp dport 9") && rules.matches("ct state new").count() == 2, "{rules}");
    machine.reboot();
    serve(&machine, 6379);
    assert_open(&machine, 6379);
}
