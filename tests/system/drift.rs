//! What others destroy is named, and put back.

use super::*;

#[test]
fn a_flushed_chain_is_named_and_mended() {
    let Some(machine) = guarded("flushed") else { return };
    let rules = machine.iptables_save();
    serve(&machine, 7000);
    machine.run(&["iptables", "-F", "INPUT"]).ok();
    // It is open now, which the test must be able to see.
    assert!(matches!(machine.reaches(6379)[0], Outcome::Notice(_) | Outcome::Refused));

    let status = json(&machine, 1, &["status"]);
    assert_eq!((&status["in_sync"], &status["healthy"]), (&false.into(), &false.into()));
    let named = status["findings"].to_string();
    assert!(named.contains("IPv4") && named.contains("INPUT"), "{named}");
    assert!(!named.contains("IPv6"), "{named}");

    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_eq!(machine.iptables_save(), rules);
    assert_clean(&machine);
    assert_open(&machine, 7000);
}

#[test]
fn every_way_of_losing_the_rules_is_mended_in_place() {
    let Some(machine) = guarded("lost") else { return };
    machine.run(&["iptables", "-A", "INPUT", "-p", "udp", "--dport", "9", "-j", "DROP"]).ok();
    let rules = machine.iptables_save();
    let damages: [&[&str]; 5] = [
        &["iptables", "-I", "INPUT", "1", "-p", "tcp", "--dport", "6379", "-j", "ACCEPT"],
        &["ip6tables", "-F", "REDISGUARD-IN"],
        &["ip6tables", "-D", "REDISGUARD-IN", "2"],
        &["iptables", "-D", "FORWARD", "1"],
        &["nft", "flush", "ruleset"],
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        machine.run(damage).ok();
        redisguard(&machine, &["status"]).ended(1);
        machine.run(&["systemctl", "start", CHECK]).ok();
        let mended = machine.iptables_save();
        match number {
            // What somebody put before us stays, behind us.
            0 => {
                machine.run(&["iptables", "-D", "INPUT", "2"]).ok();
                assert_eq!(machine.iptables_save(), rules);
            }
            4 => assert!(!mended.contains("9 -j DROP") && mended.contains("REDISGUARD-FWD")),
            _ => assert_eq!(mended, rules, "{damage:?}"),
        }
        assert_clean(&machine);
    }
}

#[test]
fn tampered_rules_fail_visibly_and_the_last_good_ones_guard() {
    let Some(machine) = guarded("tampered") else { return };
    let (file, rules) = ("/etc/redisguard/rules.v4", machine.iptables_save());
    let harmless = machine.read_file(file).replace("-j DROP", "-j ACCEPT");
    machine.write_file(file, harmless);

    for loaded in [true, false] {
        if !loaded {
            redisguard(&machine, &["rules", "unload"]).ok();
        }
        let said = redisguard(&machine, &["rules", "load"]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(file) && said.stderr.contains("last good"), "{said:?}");
        assert_eq!(machine.iptables_save(), rules);
    }
    assert_ne!(machine.run(&["systemctl", "start", CHECK]).code, 0);
    assert_guards(&machine);
    let status = redisguard(&machine, &["status"]).ended(1);
    assert!(status.contains(file), "{status}");

    redisguard(&machine, &["apply"]).ok();
    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_clean(&machine);
}

#[test]
fn tampered_rules_do_not_open_a_rebooted_host() {
    let Some(mut machine) = guarded("tampered-reboot") else { return };
    let file = "/etc/redisguard/rules.v6";
    machine.write_file(file, "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n");
    machine.reboot();
    assert_guards(&machine);
    assert_eq!(unit(&machine, BLOCK, "ActiveState"), "failed");
}
