//! The kernel's list of reserved local ports keeps the ports of others and of redisguard.

use super::*;

const LIST: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const OURS: &str = "6379-6380,7000-7002,17000-17002,63790";

fn assigns(list: &str) -> String {
    format!("net.ipv4.ip_local_reserved_ports = {list}\n")
}

fn live(machine: &Machine) -> String {
    machine.read_file(LIST).trim().to_owned()
}

/// What sysctl(8) does with all files. Other keys of theirs are not for a container to set.
fn assign_all(machine: &Machine) {
    machine.run(&["sysctl", "-q", "--system"]);
}

#[test]
fn the_list_has_all_ports_whichever_file_assigns_it_last() {
    let Some(mut machine) = host("sysctl") else { return };
    machine.write_file("/etc/sysctl.d/50-site.conf", assigns("8080"));
    assign_all(&machine);
    redisguard(&machine, &["apply"]).ok();
    let with_8080 = "6379-6380,7000-7002,8080,17000-17002,63790";
    assert_eq!(live(&machine), with_8080);

    // At boot ours is assigned last, and alone.
    machine.reboot();
    machine.run(&["/lib/systemd/systemd-sysctl"]);
    assert_eq!(live(&machine), OURS, "systemd no longer assigns the list of the last file");
    machine.reboot();
    assert_eq!(live(&machine), with_8080);
    assert_clean(&machine);

    // Theirs is.
    machine.run(&["rm", "/etc/sysctl.d/50-site.conf"]).ok();
    machine.write_file("/usr/lib/sysctl.d/90-site.conf", assigns("6380,9000-9001"));
    machine.reboot();
    let with_9000 = "6379-6380,7000-7002,9000-9001,17000-17002,63790";
    assert_eq!(live(&machine), with_9000);
    assert_clean(&machine);
    assert_eq!(json(&machine, 0, &["plan"])["changed"], false);

    // Assigning the files again while the timer is stopped is drift.
    machine.run(&["systemctl", "stop", TIMER]).ok();
    assign_all(&machine);
    assert_eq!(live(&machine), "6380,9000-9001");
    let status = json(&machine, 1, &["status"]);
    let named = status["findings"].to_string();
    assert!(named.contains("lacks 6379,7000-7002,17000-17002,63790"), "{status:#}");
    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_eq!(live(&machine), with_9000);
    machine.run(&["systemctl", "start", TIMER]).ok();
    assert_clean(&machine);

    // What is nobody's but ours goes.
    machine
        .run(&["sysctl", "-q", "-w", &assigns(&format!("{with_9000},9999")).replace(' ', "")])
        .ok();
    redisguard(&machine, &["remove"]).ok();
    assert_eq!(live(&machine), "6380,9000-9001,9999");
}

#[test]
fn a_read_only_list_is_reported_and_the_rules_load() {
    let Some(machine) = guarded("sysctl-read-only") else { return };
    let rules = machine.iptables_save();
    machine.run(&["systemctl", "stop", TIMER]).ok();
    // Longer than the kernel takes at once.
    let many: Vec<String> = (0..3000).map(|number| (20_001 + 2 * number).to_string()).collect();
    let (many, file) = (many.join(","), "/run/sysctl.d/many.conf");
    machine.write_file(file, assigns(&many));
    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_eq!(live(&machine), format!("6379-6380,7000-7002,17000-17002,{many},63790"));
    machine.run(&["rm", file]).ok();

    machine.write_file(LIST, "8080\n");
    machine.run(&["mount", "--bind", LIST, LIST]).ok();
    machine.run(&["mount", "-o", "remount,bind,ro", LIST]).ok();
    redisguard(&machine, &["rules", "unload"]).ok();
    let loaded = redisguard(&machine, &["rules", "load"]);
    assert_eq!(loaded.code, 0, "{loaded:?}");
    assert!(loaded.stderr.contains(&format!("could not write {LIST}")), "{loaded:?}");
    assert_eq!(machine.iptables_save(), rules);
    assert_eq!(live(&machine), "8080");
}

#[test]
fn the_removal_of_a_guard_applied_offline_unlists_its_ports() {
    let Some(mut machine) = Machine::switched_off("sysctl-offline") else { return };
    machine.write_file("/etc/sysctl.d/70-site.conf", assigns("8080"));
    machine.beside(&[INSTALL, "--root", "/run/machine/root", "apply"]).ok();
    machine.switch_on();
    machine.install(Path::new(INSTALL), PROGRAM);
    assert_eq!(live(&machine), "6379-6380,7000-7002,8080,17000-17002,63790");
    redisguard(&machine, &["remove"]).ok();
    assert_eq!(live(&machine), "8080");
}
