//! When another firewall starts, restarts or reloads, the rules are back at once.
//!
//! The timer is stopped, so that only the hooks can have done it.

use super::*;

/// A guarded host without the timer.
fn without_timer(name: &str) -> Option<Machine> {
    let machine = guarded(name)?;
    machine.run(&["systemctl", "stop", TIMER]).ok();
    Some(machine)
}

/// Has a service do what it does with others' rules, and waits for ours.
#[track_caller]
fn flushes_and_is_fixed(machine: &Machine, verb: &str, service: &str, rules: &str) {
    // A rule of somebody shows that everything was thrown away.
    machine.run(&["iptables", "-A", "INPUT", "-p", "udp", "--dport", "9", "-j", "DROP"]).ok();
    // systemd counts how often a service starts; for ours it must not.
    machine.run(&["systemctl", "reset-failed", service]);
    let said = machine.run(&["systemctl", verb, service]);
    assert_eq!(said.code, 0, "{verb} {service}: {said:?}");
    wait_until(&format!("the rules are back after {verb} {service}"), || {
        let now = machine.iptables_save();
        assert!(!now.contains("dport 9 "), "{service} left the rules alone:\n{now}");
        rules.lines().all(|rule| now.contains(rule))
    });
    // Its own reload may end a moment after the rules are back.
    wait_until(&format!("the block unit is active after {verb} {service}"), || {
        unit(machine, BLOCK, "ActiveState") == "active"
    });
}

/// A service like those of other distributions, with its own lines.
fn stand_in(machine: &Machine, name: &str, unit: &str, service: &str) {
    let text = format!(
        "[Unit]\nDefaultDependencies=no\nWants=network-pre.target\n\
         Before=network-pre.target shutdown.target\nConflicts=shutdown.target\n{unit}\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\n{service}\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    machine.write_file(&format!("/etc/systemd/system/{name}"), text);
    machine.run(&["systemctl", "daemon-reload"]).ok();
}

#[test]
fn rules_are_back_at_once_when_a_firewall_starts_restarts_or_reloads() {
    let Some(machine) = without_timer("nftables") else { return };
    let rules = machine.iptables_save();
    // More often in a row than systemd lets a unit start by default.
    for verb in ["start", "restart", "reload", "restart", "restart", "restart", "restart", "reload"]
    {
        flushes_and_is_fixed(&machine, verb, "nftables", &rules);
    }
    assert_eq!(machine.iptables_save(), rules);
    assert_guards(&machine);

    // Stopped, it flushes too, and pulls nothing in; the timer's turn brings all back.
    machine.run(&["systemctl", "stop", BLOCK]).ok();
    machine.run(&["systemctl", "stop", "nftables"]).ok();
    assert!(!machine.iptables_save().contains("REDISGUARD"));
    machine.run(&["systemctl", "start", TIMER]).ok();
    wait_until("the timer brings the rules back", || machine.iptables_save() == rules);
    wait_until("and the unit", || unit(&machine, BLOCK, "ActiveState") == "active");
    assert_clean(&machine);
}

#[test]
fn rules_are_back_at_once_when_saved_rules_are_restored_or_ufw_restarts() {
    let Some(machine) = without_timer("restored") else { return };
    let rules = machine.iptables_save();
    machine.write_file("/etc/iptables/empty", "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\nCOMMIT\n");
    let restore = "/bin/sh -c 'iptables-restore </etc/iptables/empty && \
                   ip6tables-restore </etc/iptables/empty'";
    for name in ["iptables.service", "netfilter-persistent.service"] {
        stand_in(&machine, name, "", &format!("ExecStart={restore}\nExecReload={restore}"));
        for verb in ["start", "restart", "reload"] {
            flushes_and_is_fixed(&machine, verb, name, &rules);
        }
    }
    // It flushes the chains of the kernel if it is told to.
    machine.run(&["sed", "-i", "s/^MANAGE_BUILTINS=.*/MANAGE_BUILTINS=yes/", "/etc/default/ufw"]);
    machine.run(&["sed", "-i", "s/^ENABLED=.*/ENABLED=yes/", "/etc/ufw/ufw.conf"]).ok();
    for verb in ["start", "restart", "restart"] {
        flushes_and_is_fixed(&machine, verb, "ufw", &rules);
        assert!(machine.iptables_save().contains("ufw-before-input"));
    }
    assert_guards(&machine);
}

#[test]
fn firewalls_that_conflict_stop_one_another_and_not_the_guard() {
    let Some(mut machine) = guarded("conflict") else { return };
    let rules = machine.iptables_save();
    let flush = "/usr/sbin/nft flush ruleset";
    let conflicts = "Conflicts=iptables.service ip6tables.service nftables.service";
    stand_in(&machine, "firewalld.service", conflicts, &format!("ExecStart={flush}"));
    machine.run(&["systemctl", "start", "nftables"]).ok();
    wait_until("the rules are back", || machine.iptables_save() == rules);
    flushes_and_is_fixed(&machine, "start", "firewalld", &rules);
    assert_eq!(unit(&machine, "nftables", "ActiveState"), "inactive");

    machine.run(&["systemctl", "enable", "firewalld"]).ok();
    machine.reboot();
    assert_eq!(unit(&machine, "firewalld", "ActiveState"), "active");
    assert_eq!(machine.iptables_save(), rules);
    assert_clean(&machine);
    let journal = machine.run(&["journalctl", "--boot", "--no-pager", "-o", "cat"]).stdout;
    assert!(!journal.contains("ordering cycle"), "{journal}");
}
