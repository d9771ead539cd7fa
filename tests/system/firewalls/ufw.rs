//! ufw opens no reserved port, and its rules stay as they were.

use super::*;

#[test]
fn ufw_opens_no_reserved_port_and_stays_as_it_was() {
    let Some(mut machine) = host("ufw") else { return };
    sh(
        &machine,
        "ufw --force enable; ufw allow 6379; ufw allow from fd63:79::/64 to any port 6380 proto tcp
         ufw insert 1 allow 7000/tcp; systemctl --quiet enable --now ufw",
    );
    for port in [6379, 7000] {
        serve(&machine, port);
        assert_open(&machine, port);
    }
    stop_serving(&machine, 6379);
    let settings = |machine: &Machine| machine.run(&["ufw", "status", "numbered"]).ok();
    let (before, numbered) = (look(&machine), settings(&machine));
    assert!(numbered.contains("6379 (v6)"), "{numbered}");
    let holds = |machine: &Machine| {
        // Nobody allowed 9: ufw still drops what it should.
        assert_shut(machine, &[6379, 6380, 9]);
        assert_open(machine, 7000);
        assert_eq!(
            (foreign_rules(machine), settings(machine)),
            (before.1.clone(), numbered.clone())
        );
        redisguard(machine, &["status"]).ok();
    };

    redisguard(&machine, &["apply"]).ok();
    // It keeps to chains of its own, so that nothing is lost for a moment.
    for act in ["ufw reload", "ufw disable; ufw --force enable", "systemctl restart ufw"] {
        sh(&machine, act);
        holds(&machine);
    }
    machine.reboot();
    serve(&machine, 7000);
    holds(&machine);

    // Told to, it takes the whole tables for its own.
    sh(&machine, "sed -i s/MANAGE_BUILTINS=no/MANAGE_BUILTINS=yes/ /etc/default/ufw; ufw reload");
    is_fixed(&machine, &["INPUT"]);
    sh(&machine, "sed -i s/MANAGE_BUILTINS=yes/MANAGE_BUILTINS=no/ /etc/default/ufw");
    holds(&machine);

    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
    assert_eq!(settings(&machine), numbered);
}

#[test]
fn ufw_stops_outsiders_behind_rules_of_nft_and_status_says_so() {
    let Some(machine) = host("ufw-nft") else { return };
    sh(&machine, "ufw --force enable; ufw allow 6379; ufw reload");
    let before = look(&machine);
    apply_by(&machine, "nftables", "drop");
    assert_clean(&machine);
    sh(&machine, "ufw reload");
    assert_clean(&machine);

    apply_by(&machine, "nftables", "notice");
    assert_shut(&machine, &[6379, 6380]);
    let status = redisguard(&machine, &["status"]).ended(1);
    let words = ["table ip filter, chain INPUT (IPv4)", "table ip6 filter, chain INPUT (IPv6)"];
    assert_says(&status, &words);
    // With rules of iptables ours stand first in that very chain.
    apply(&machine, "notice");
    assert_told(&machine);
    redisguard(&machine, &["status"]).ok();
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}
