//! A host is guarded from boot on, and units that stop or restart open no port.

use super::*;
use std::fs;
use support::root;

#[test]
fn a_rebooted_host_is_guarded_before_its_network() {
    let Some(mut machine) = guarded("reboot") else { return };
    let shipped = fs::read_to_string(root().join("redisguard.toml")).unwrap();
    let (shipped, _) = shipped.split_once("[docs]").unwrap();
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    fs::write(&spec, shipped.replace("backend  = \"iptables\"", "backend = \"nftables\"")).unwrap();
    bring_bundle(&machine, &spec, "/root/by-nftables");
    for bundle in [&[][..], &["--bundle", "/root/by-nftables"]] {
        redisguard(&machine, &[bundle, &["apply"]].concat()).ok();
        let by_nft = machine.beside(&["nft", "list", "tables"]).stdout.contains("inet redisguard");
        assert_eq!(by_nft, !bundle.is_empty());
        machine.reboot();

        let entered = |name| {
            let time = unit(&machine, name, "ActiveEnterTimestampMonotonic");
            time.parse::<u64>().unwrap_or_else(|_| panic!("{name}: {time:?}"))
        };
        assert_ne!(entered(BLOCK), 0);
        assert!(entered(BLOCK) <= entered("network-pre.target"));
        assert!(entered("network-pre.target") <= entered("network.target"));
        assert_eq!(unit(&machine, NOTICE, "ActiveState"), "active");
        assert_eq!(unit(&machine, TIMER, "ActiveState"), "active");
        assert_eq!(machine.run(&["systemctl", "is-system-running"]).stdout, "running\n");
        let journal = machine.run(&["journalctl", "--boot", "--no-pager", "-o", "cat"]).stdout;
        assert!(!journal.contains("ordering cycle"), "{journal}");
        assert_clean(&machine);
        assert_eq!(json(&machine, 0, &[bundle, &["apply"]].concat())["changed"], false);
    }
}

#[test]
fn counts_survive_an_orderly_reboot_to_the_last_packet() {
    let Some(mut machine) = guarded("counted") else { return };
    let shipped = fs::read_to_string(root().join("redisguard.toml")).unwrap();
    let (shipped, _) = shipped.split_once("[docs]").unwrap();
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    fs::write(&spec, shipped.replace("backend  = \"iptables\"", "backend = \"nftables\"")).unwrap();
    bring_bundle(&machine, &spec, "/root/by-nftables");
    let mut total = 0;
    for bundle in [&[][..], &["--bundle", "/root/by-nftables"]] {
        redisguard(&machine, &[bundle, &["apply"]].concat()).ok();
        // Its turn would save.
        machine.run(&["systemctl", "stop", TIMER]).ok();
        assert_shut(&machine, &[6379, 6380]);
        let counted = json(&machine, 1, &["status"])["ports"].clone();
        machine.reboot();
        machine.run(&["systemctl", "stop", TIMER]).ok();
        let now = json(&machine, 1, &["status"])["ports"].clone();
        assert_eq!(now, counted, "{bundle:?}");
        let packets = now.as_array().unwrap().iter().map(|port| port["packets"].as_u64().unwrap());
        let packets: u64 = packets.sum();
        assert!(packets >= total + 4, "{bundle:?}: {now:#}");
        total = packets;
    }
}

#[test]
fn an_enabled_redis_has_its_port_after_a_reboot() {
    let Some(mut machine) = guarded("redis-reboot") else { return };
    machine.run(&["sh", "-c", "echo port 6380 >>/etc/redis/redis.conf"]).ok();
    machine.run(&["systemctl", "enable", "redis-server"]).ok();
    machine.reboot();
    wait_until("Redis answers", || ping(&machine, 6380) == "PONG\n");
    assert_eq!(machine.run(&["systemctl", "is-system-running"]).stdout, "running\n");
    assert_clean(&machine);
}

#[test]
fn every_instance_of_redis_gets_its_port_when_it_starts_and_when_the_host_does() {
    let Some(mut machine) = guarded("instances") else { return };
    let instances = [("current", 6380), ("other", 7777)];
    for (name, port) in instances {
        let settings = format!("port {port}\nbind 127.0.0.1 ::1\nsave \"\"\n");
        machine.write_file(&format!("/etc/redis/redis-{name}.conf"), settings);
    }
    let units = instances.map(|(name, _)| format!("redis-server@{name}"));
    let [current, other] = [&units[0], &units[1]];
    let serve = |machine: &Machine| {
        for ((_, port), unit_name) in instances.iter().zip(&units) {
            wait_until("Redis answers", || ping(machine, *port) == "PONG\n");
            // It never failed on the way.
            assert_eq!(unit(machine, unit_name, "NRestarts"), "0", "{unit_name}");
        }
        wait_until("the listener is back", || ping(machine, 6379).starts_with("PORTCLOSED 6379"));
        assert_clean(machine);
    };
    assert!(ping(&machine, 6380).starts_with("PORTCLOSED 6380"));
    machine.run(&["systemctl", "start", current, other]).ok();
    serve(&machine);
    machine.run(&["systemctl", "restart", other, current]).ok();
    serve(&machine);

    machine.run(&["systemctl", "enable", current, other]).ok();
    machine.reboot();
    serve(&machine);
    assert_eq!(machine.run(&["systemctl", "is-system-running"]).stdout, "running\n");
    let journal = machine.run(&["journalctl", "--boot", "--no-pager", "-o", "cat"]).stdout;
    for complaint in ["ordering cycle", "has different name"] {
        assert!(!journal.contains(complaint), "{journal}");
    }
}

#[test]
fn a_stopped_or_restarted_unit_leaves_the_ports_blocked() {
    let Some(machine) = guarded("stopped") else { return };
    // Its turn would start what is stopped here.
    machine.run(&["systemctl", "stop", TIMER]).ok();
    let rules = machine.iptables_save();
    machine.run(&["systemctl", "stop", BLOCK]).ok();
    assert_eq!(machine.iptables_save(), rules);
    assert_guards(&machine);
    assert!(redisguard(&machine, &["status"]).ended(1).contains(BLOCK));

    machine.run(&["systemctl", "restart", BLOCK]).ok();
    assert_eq!(machine.iptables_save(), rules);
    machine.run(&["systemctl", "start", TIMER]).ok();
    assert_clean(&machine);

    // A dead listener leaves them shut too, and is named.
    machine.run(&["systemctl", "stop", NOTICE]).ok();
    assert_shut(&machine, &[6379, 6380]);
    assert!(redisguard(&machine, &["status"]).ended(1).contains(NOTICE));
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}

#[test]
fn rules_that_fail_at_boot_are_replaced_by_the_last_good_ones_and_reported() {
    let Some(mut machine) = guarded("refused") else { return };
    let rules = machine.iptables_save();
    // As a change leaves it that was cut off: the receipt knows the new rules, and the kernel has
    // become another one.
    let (file, receipt) = ("/etc/redisguard/rules.v6", "/var/lib/redisguard/receipt.json");
    let refused = "-A REDISGUARD-IN -m gone -j DROP\nCOMMIT\n";
    machine.write_file(file, machine.read_file(file).replacen("COMMIT\n", refused, 1));
    let digest = machine.run(&["sha256sum", file]).ok();
    let mut known: Value = serde_json::from_str(&machine.read_file(receipt)).unwrap();
    known["files"][file]["sha256"] = digest.split(' ').next().unwrap().into();
    machine.write_file(receipt, known.to_string());

    machine.reboot();
    assert_eq!(machine.iptables_save(), rules);
    assert_guards(&machine);
    let failed = machine.run(&["systemctl", "--failed", "--no-legend"]).ok();
    assert!(failed.contains(BLOCK), "{failed}");
    let said = machine.run(&["journalctl", "--boot", "--unit", BLOCK, "--output=cat"]).stdout;
    for words in ["could not check the IPv6 rules", "gone", "the last good rules guard the ports"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    redisguard(&machine, &["apply"]).ok();
    assert_eq!(unit(&machine, BLOCK, "ActiveState"), "active");
    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_clean(&machine);
}
