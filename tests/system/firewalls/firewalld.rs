//! firewalld opens no reserved port, and its rules stay as they were.
//!
//! It has a table of its own in nftables, and flushes all of iptables when it reloads, starts or
//! stops.

use super::*;

/// A host that runs it, now and after every boot, with two ports open: one of them reserved.
fn with_firewalld(name: &str) -> Option<Machine> {
    let machine = host(name)?;
    sh(
        &machine,
        "systemctl --quiet enable --now firewalld
         firewall-cmd --quiet --permanent --add-port=6379/tcp --add-port=7000/tcp
         for family in ipv4 ipv6; do
             firewall-cmd --quiet --permanent --direct --add-rule $family filter INPUT 0 \
                 -p tcp --dport 6379 -j ACCEPT
         done
         firewall-cmd --quiet --reload",
    );
    serve(&machine, 7000);
    Some(machine)
}

#[test]
fn firewalld_opens_no_reserved_port_for_long_and_stays_as_it_was() {
    let Some(mut machine) = with_firewalld("firewalld") else { return };
    serve(&machine, 6379);
    assert_open(&machine, 6379);
    stop_serving(&machine, 6379);
    let before = look(&machine);
    assert!(before.1.contains("--dport 6379 -j ACCEPT"), "{}", before.1);

    let said = redisguard(&machine, &["apply"]);
    assert!(said.stderr.contains("with backend = \"nftables\" it does not"), "{said:?}");
    said.ok();
    assert_clean(&machine);
    // Whatever it does by itself is known to nobody else; the check finds it.
    for act in ["firewall-cmd --reload", "firewall-cmd --complete-reload"] {
        sh(&machine, act);
        is_fixed(&machine, &["rules"]);
        assert_eq!(foreign_rules(&machine), before.1, "{act}");
    }
    let rule = "ipv4 filter INPUT -1 -p tcp --dport 6380 -j ACCEPT";
    sh(&machine, &format!("firewall-cmd --direct --add-rule {rule}"));
    is_fixed(&machine, &["at position 2, behind `-p tcp"]);
    sh(&machine, &format!("firewall-cmd --direct --remove-rule {rule}"));
    assert_clean(&machine);
    // The same with rules that were loaded before firewalld started.
    for act in ["restart", "stop", "start"] {
        machine.run(&["systemctl", act, "firewalld"]).ok();
        check(&machine);
        assert_clean(&machine);
        assert_open(&machine, 7000);
    }
    assert_eq!(foreign_rules(&machine), before.1);

    machine.reboot();
    assert_clean(&machine);
    assert_eq!(foreign_rules(&machine), before.1);
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}

#[test]
fn firewalld_does_not_touch_rules_that_nft_has_loaded() {
    let Some(mut machine) = with_firewalld("firewalld-nft") else { return };
    let before = look(&machine);
    apply_by(&machine, "nftables", "drop");
    for act in ["true", "firewall-cmd --reload", "firewall-cmd --complete-reload"] {
        sh(&machine, act);
        assert_clean(&machine);
    }
    machine.run(&["systemctl", "restart", "firewalld"]).ok();
    assert_clean(&machine);
    machine.reboot();
    machine.run(&["firewall-cmd", "--state"]).ok();
    assert_clean(&machine);
    apply_by(&machine, "nftables", "notice");
    assert_told(&machine);
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}

#[test]
fn firewalld_lets_outsiders_be_told_or_status_says_what_stops_them() {
    let Some(machine) = with_firewalld("firewalld-notice") else { return };
    apply(&machine, "notice");
    assert_told(&machine);
    sh(&machine, "firewall-cmd --reload");
    is_fixed_at_all(&machine, &["redisguard's rules are not loaded"]);
    assert_told(&machine);
    assert_open(&machine, 7000);

    // What later versions leave out with StrictForwardPorts=yes; this one does not know it yet.
    sh(
        &machine,
        "chain='inet firewalld filter_INPUT'
         handle=$(nft --handle list chain $chain | sed -n 's/.*ct status dnat accept # handle //p')
         nft delete rule $chain handle $handle",
    );
    // Stopped by a rejection of firewalld's, at which IPv6 only waits.
    for met in [machine.meets(6379), machine.meets(6380)].concat() {
        assert!(matches!(met, Outcome::Failed(_) | Outcome::Silence), "{met:?}");
    }
    let words = ["inet firewalld, chain filter_IN", "--add-port=63790/tcp"];
    let status = redisguard(&machine, &["status"]).ended(1);
    let plan = redisguard(&machine, &["--bundle", BUNDLE, "plan"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert_says(&status, &words);
    assert_says(&plan.stderr, &words);
    sh(&machine, "firewall-cmd --add-port=63790/tcp");
    assert_told(&machine);
    assert_eq!(machine.reaches(63790), [Outcome::Refused, Outcome::Refused]);
    redisguard(&machine, &["status"]).ok();
}
